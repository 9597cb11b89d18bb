//! How long a unit of work waits for a connection of a pool.

use std::time::Duration;

use deadpool::managed::{Manager, Object, Pool, PoolError, TimeoutType, Timeouts};
use merchant_otp_ports::{Cause, StoreError, StoreResult};
use tokio::time::Instant;

/// How long a unit of work waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most units of work that wait for a connection; more are rejected.
const MAX_WAITERS: usize = 1024;

/// Rejects a unit of work if too many wait for a connection.
///
/// For work of which there may be any amount; the workers of the batchers are few.
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

/// Waits for a connection, and records the time in `merchant_otp_database_wait_seconds` if there
/// was none.
///
/// # Errors
///
/// [`StoreError::Busy`] if none became free in time, [`StoreError::Unavailable`] if none can be
/// opened.
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
