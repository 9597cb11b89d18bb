//! Acquiring connections from a pool, with limits on waiting.

use std::time::Duration;

use deadpool::managed::{Manager, Object, Pool, PoolError, TimeoutType, Timeouts};
use merchant_otp_ports::{Cause, StoreError, StoreResult};
use tokio::time::Instant;

/// A unit of work waits for a connection for at most this long.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of units of work that wait for a connection; more are rejected.
const MAX_WAITERS: usize = 1024;

/// Rejects a unit of work if too many others wait for a connection.
///
/// The workers of the batchers need no such limit, because they are few.
///
/// # Errors
///
/// [`StoreError::Busy`].
pub fn reject_excess_waiters<M: Manager>(pool: &Pool<M>) -> StoreResult<()> {
    if pool.status().waiting >= MAX_WAITERS {
        return Err(StoreError::Busy("too many requests wait for a connection".into()));
    }
    Ok(())
}

/// Acquires a connection. If none is available, records the wait in
/// `merchant_otp_database_wait_seconds`.
///
/// # Errors
///
/// [`StoreError::Busy`] if no connection became free in time, [`StoreError::Unavailable`] if none
/// can be opened.
pub async fn acquire<M: Manager>(pool: &Pool<M>) -> StoreResult<Object<M>>
where
    Cause: From<M::Error>,
{
    let wait = |wait| Timeouts { wait: Some(wait), create: None, recycle: None };
    let mut connection = pool.timeout_get(&wait(Duration::ZERO)).await;
    if matches!(connection, Err(PoolError::Timeout(TimeoutType::Wait))) {
        let begin = Instant::now();
        connection = pool.timeout_get(&wait(ACQUIRE_TIMEOUT)).await;
        metrics::histogram!("merchant_otp_database_wait_seconds").record(begin.elapsed());
    }
    connection.map_err(|error| match error {
        PoolError::Backend(error) => StoreError::Unavailable(error.into()),
        PoolError::Timeout(_) => StoreError::Busy("no connection became free in time".into()),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            StoreError::Unavailable("the connection pool is closed".into())
        }
    })
}
