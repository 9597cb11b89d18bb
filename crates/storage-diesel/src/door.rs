use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Pool, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use merchant_otp_ports::{Cause, StoreError};
use thiserror::Error;
use tokio::runtime::Handle;

use crate::Failure;

/// How long a unit of work waits for a connection to become free.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// How a [`Door`] comes to its connections.
pub trait Connector: Send + Sync + 'static {
    /// A connection, used by one unit of work at a time.
    type Connection: Send + 'static;

    /// Opens a connection; may block.
    ///
    /// # Errors
    ///
    /// The cause, without the database URL or a password.
    fn connect(&self) -> Result<Self::Connection, Cause>;

    /// Whether a connection that was used before still leads to the database; must not block.
    fn is_usable(&self, connection: &mut Self::Connection) -> bool;

    /// Whether a database error says that somebody else was in the way.
    fn is_contention(kind: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> bool;
}

/// The one way to a database: at most `connections` units of work at a time, each on a thread that
/// may block.
///
/// A unit of work that was begun runs to its end, whatever becomes of the future that waits for it.
pub struct Door<C: Connector> {
    pool: Pool<Connections<C>>,
    runtime: Handle,
}

impl<C: Connector> Door<C> {
    /// Opens the door; no connection is made before the first unit of work.
    ///
    /// `runtime` is where units of work find their threads; it has to outlive the door.
    ///
    /// # Panics
    ///
    /// Never: the pool is built with all that it needs.
    #[must_use]
    pub fn new(connector: C, connections: usize, runtime: Handle) -> Self {
        let manager = Connections { connector: Arc::new(connector), runtime: runtime.clone() };
        let timeouts = Timeouts { wait: Some(WAIT_FOR_CONNECTION), create: None, recycle: None };
        // Last in, first out: a few warm connections serve a quiet shop.
        let config = PoolConfig { max_size: connections, timeouts, queue_mode: QueueMode::Lifo };
        let pool = Pool::builder(manager).config(config).runtime(Runtime::Tokio1).build();
        #[expect(clippy::expect_used, reason = "fails only when timeouts come without a runtime")]
        let pool = pool.expect("a runtime is set");
        Self { pool, runtime }
    }

    /// Runs a unit of work on a connection.
    ///
    /// # Errors
    ///
    /// [`StoreError`], from what the unit of work was doing when it failed.
    pub async fn run<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut C::Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut lane = self.pool.get().await.map_err(unavailable)?;
        let work = self.runtime.spawn_blocking(move || {
            lane.interrupted = true;
            let result = unit(&mut lane.connection);
            lane.interrupted = false;
            result
        });
        match work.await {
            Ok(result) => result.map_err(store_error::<C>),
            Err(stopped) if stopped.is_cancelled() => Err(StoreError::Unavailable(stopped.into())),
            Err(panicked) => Err(StoreError::Write(panicked.into())),
        }
    }
}

/// A connection, and whether a unit of work left it by a panic.
struct Lane<C> {
    connection: C,
    interrupted: bool,
}

struct Connections<C> {
    connector: Arc<C>,
    runtime: Handle,
}

impl<C: Connector> Manager for Connections<C> {
    type Type = Lane<C::Connection>;
    type Error = Cause;

    async fn create(&self) -> Result<Self::Type, Cause> {
        let connector = Arc::clone(&self.connector);
        let connection = self.runtime.spawn_blocking(move || connector.connect()).await??;
        Ok(Lane { connection, interrupted: false })
    }

    async fn recycle(&self, lane: &mut Self::Type, _: &Metrics) -> RecycleResult<Cause> {
        if lane.interrupted || !self.connector.is_usable(&mut lane.connection) {
            return Err(RecycleError::message("the connection is no longer usable"));
        }
        Ok(())
    }
}

fn unavailable(error: PoolError<Cause>) -> StoreError {
    StoreError::Unavailable(match error {
        PoolError::Backend(cause) => cause,
        PoolError::Timeout(_) => NoFreeConnection.into(),
        other @ (PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_)) => other.to_string().into(),
    })
}

#[derive(Debug, Error)]
#[error("no connection became free within {} s", WAIT_FOR_CONNECTION.as_secs())]
struct NoFreeConnection;

fn store_error<C: Connector>(failure: Failure) -> StoreError {
    match failure {
        Failure::Read(error) | Failure::Write(error) if is_contention::<C>(&error) => {
            StoreError::Contention(error.into())
        }
        Failure::Read(error) => StoreError::Read(error.into()),
        Failure::Write(error) => StoreError::Write(error.into()),
        Failure::Contention(cause) => StoreError::Contention(cause),
        Failure::Corrupt(cause) => StoreError::Corrupt(cause),
    }
}

fn is_contention<C: Connector>(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(kind, information) => C::is_contention(kind, &**information),
        _ => false,
    }
}
