//! The connection pool and the execution of units of work on it.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::QueueMode;
use diesel::ConnectionError;
use diesel::pg::Pg;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::methods::LoadQuery;
use diesel_async::pooled_connection::deadpool::{Hook, HookError, Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merchant_otp_ports::{Cause, StoreError, StoreResult};
use merchant_otp_storage_sql::pool::{acquire, reject_excess_waiters};
use merchant_otp_storage_sql::{Acquire, Failure, store_error, task_error};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::connect::{Server, chain, is_contention};

/// How long a unit of work may take before the server counts as not responding. The timeouts of the
/// session are shorter.
const UNIT_TIMEOUT: Duration = Duration::from_secs(15);

/// Executes units of work on pooled connections.
#[derive(Clone)]
pub(crate) struct Executor {
    pool: Pool<AsyncPgConnection>,
    server: Server,
    runtime: Handle,
}

impl Executor {
    /// Creates a pool of at most `connections` connections with the given settings, which are
    /// opened on demand. Their tasks run on the current tokio runtime.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub(crate) fn new(server: &Server, connections: u16, settings: &'static str) -> Self {
        let (server, runtime) = (server.clone(), Handle::current());
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let opened_on = (server.clone(), runtime.clone());
        config.custom_setup = Box::new(move |_url| {
            let (server, runtime) = opened_on.clone();
            async move {
                let opened = server.connect(settings, &runtime).await;
                opened.map_err(|cause| ConnectionError::BadConnection(chain(&*cause)))
            }
            .boxed()
        });
        let suspected = server.clone();
        let discard_suspect = Hook::sync_fn(move |_, metrics| {
            if suspected.is_suspect(metrics.created) {
                return Err(HookError::message("the server did not respond"));
            }
            Ok(())
        });
        let pool = Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
            .max_size(connections.into())
            // Under low load, LIFO uses the same few warm connections.
            .queue_mode(QueueMode::Lifo)
            .pre_recycle(discard_suspect)
            .runtime(Runtime::Tokio1)
            .build();
        #[expect(clippy::expect_used, reason = "it fails for timeouts without a runtime")]
        let pool = pool.expect("a pool");
        Self { pool, server, runtime }
    }

    /// Loads the rows of a query and converts them to domain values.
    pub(crate) async fn fetch<Row: Send + 'static, T>(
        &self,
        query: impl LoadQuery<'static, AsyncPgConnection, Row> + Send + 'static,
        value: impl Fn(Row) -> Result<T, Cause>,
    ) -> StoreResult<Vec<T>> {
        let rows = self.run(Failure::Read, |connection| {
            query.load(connection).map(|rows| rows.map_err(Failure::Read)).boxed()
        });
        rows.await?.into_iter().map(|row| value(row).map_err(corrupt)).collect()
    }

    /// Executes a statement and returns the number of changed rows.
    pub(crate) async fn write(
        &self,
        statement: impl QueryFragment<Pg> + QueryId + Send + 'static,
    ) -> StoreResult<u64> {
        self.run(Failure::Write, |connection| {
            async move { Ok(statement.execute(connection).await? as u64) }.boxed()
        })
        .await
    }

    /// Executes a unit of work to completion, even if the caller is dropped.
    ///
    /// `late` makes the failure of a unit of work that takes too long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        late: fn(Error) -> Failure,
        unit: impl for<'a> FnOnce(&'a mut AsyncPgConnection) -> BoxFuture<'a, Result<T, Failure>>
        + Send
        + 'static,
    ) -> StoreResult<T> {
        reject_excess_waiters(&self.pool)?;
        let executor = self.clone();
        let task = self.runtime.spawn(async move {
            let connection = executor.acquire().await?;
            executor.run_on(connection, late, async |connection| unit(connection).await).await
        });
        task.await.map_err(task_error)?
    }

    /// Executes a unit of work on a connection. The caller must not be dropped meanwhile.
    ///
    /// `late` makes the failure of a unit of work that takes too long.
    pub(crate) async fn run_on<T>(
        &self,
        mut connection: Object<AsyncPgConnection>,
        late: fn(Error) -> Failure,
        unit: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, Failure>,
    ) -> StoreResult<T> {
        let result = timeout(UNIT_TIMEOUT, unit(&mut connection)).await;
        let result = result.unwrap_or_else(|elapsed| {
            self.server.mark_unresponsive(Object::metrics(&connection).created);
            let text = Box::new(elapsed.to_string());
            Err(late(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, text)))
        });
        let result = result.map_err(failed);
        // After a failure the connection may be broken or still busy.
        if matches!(result, Err(StoreError::Read(_) | StoreError::Write(_))) {
            drop(Object::take(connection));
        }
        result
    }
}

impl Acquire for Executor {
    type Connection = Object<AsyncPgConnection>;
    const ACQUIRE_FIRST: bool = false;

    async fn acquire(&self) -> StoreResult<Object<AsyncPgConnection>> {
        acquire(&self.pool).await
    }
}

/// Maps the failure of a unit of work, or of one of its rows, to a store error.
pub(crate) fn failed(failure: Failure) -> StoreError {
    store_error(failure, is_contention)
}

/// The error of a row that is not a valid domain value.
pub(crate) fn corrupt(cause: Cause) -> StoreError {
    failed(Failure::Corrupt(cause))
}
