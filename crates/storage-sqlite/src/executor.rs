//! The connection pool and the execution of units of work on it.

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, QueueMode, RecycleError, RecycleResult};
use diesel::SqliteConnection;
use diesel::query_dsl::methods::{ExecuteDsl, LoadQuery};
use merchant_otp_ports::{Cause, StoreError, StoreResult};
use merchant_otp_storage_sql::pool::{acquire, reject_excess_waiters};
use merchant_otp_storage_sql::{Acquire, Failure, store_error, task_error};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::connect::{DatabaseFile, is_contention};

/// Executes units of work on pooled connections, on blocking threads.
///
/// A started unit of work runs to completion, even if its caller is dropped, and keeps its
/// connection until then.
#[derive(Clone)]
pub(crate) struct Executor {
    pool: Pool<DatabaseFile>,
    runtime: Handle,
}

/// A connection of the pool.
pub(crate) struct Connection {
    sqlite: SqliteConnection,
    /// Whether the connection may be broken: set while a unit of work runs and after one fails.
    in_doubt: bool,
}

impl Manager for DatabaseFile {
    type Type = Connection;
    type Error = Cause;

    async fn create(&self) -> Result<Connection, Cause> {
        let file = self.clone();
        let sqlite = spawn_blocking(move || file.open()).await??;
        Ok(Connection { sqlite, in_doubt: false })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Cause> {
        if connection.in_doubt {
            return Err(RecycleError::message("the last unit of work failed"));
        }
        Ok(())
    }
}

impl Executor {
    /// Creates a pool of at most `connections` connections, which are opened on demand. The current
    /// tokio runtime executes the units of work.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub(crate) fn new(file: DatabaseFile, connections: usize) -> Self {
        let pool = Pool::builder(file).max_size(connections).runtime(Runtime::Tokio1);
        // Under low load, LIFO uses the same few warm connections.
        let pool = pool.queue_mode(QueueMode::Lifo).build();
        #[expect(clippy::expect_used, reason = "it fails for timeouts without a runtime")]
        let pool = pool.expect("a pool");
        Self { pool, runtime: Handle::current() }
    }

    /// Loads the rows of a query and converts them to domain values.
    pub(crate) async fn fetch<Row: Send + 'static, T>(
        &self,
        query: impl LoadQuery<'static, SqliteConnection, Row> + Send + 'static,
        value: impl Fn(Row) -> Result<T, Cause>,
    ) -> StoreResult<Vec<T>> {
        let rows = self.run(move |connection| query.load(connection).map_err(Failure::Read));
        let value = |row| value(row).map_err(|cause| failed(Failure::Corrupt(cause)));
        rows.await?.into_iter().map(value).collect()
    }

    /// Executes a statement and returns the number of changed rows.
    pub(crate) async fn write(
        &self,
        statement: impl ExecuteDsl<SqliteConnection> + Send + 'static,
    ) -> StoreResult<u64> {
        self.run(move |connection| Ok(ExecuteDsl::execute(statement, connection)? as u64)).await
    }

    /// Executes a unit of work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        reject_excess_waiters(&self.pool)?;
        // In a task: a caller that is dropped while a connection is opened must not release its
        // permit.
        let executor = self.clone();
        let task = self.runtime.spawn(async move {
            let connection = executor.acquire().await?;
            executor.run_on(connection, unit).await
        });
        task.await.map_err(task_error)?
    }

    /// Executes a unit of work on a connection.
    pub(crate) async fn run_on<T: Send + 'static>(
        &self,
        mut connection: Object<DatabaseFile>,
        unit: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let pool = self.pool.clone();
        let work = self.runtime.spawn_blocking(move || {
            pool.manager().check().map_err(StoreError::Unavailable)?;
            // Reset when the unit of work succeeds; a panic leaves it set.
            connection.in_doubt = true;
            let result = unit(&mut connection.sqlite).map_err(failed);
            connection.in_doubt = matches!(result, Err(StoreError::Read(_) | StoreError::Write(_)));
            result
        });
        work.await.map_err(task_error)?
    }
}

impl Acquire for Executor {
    type Connection = Object<DatabaseFile>;
    const ACQUIRE_FIRST: bool = true;

    async fn acquire(&self) -> StoreResult<Object<DatabaseFile>> {
        acquire(&self.pool).await
    }
}

/// Maps the failure of a unit of work, or of one of its rows, to a store error.
pub(crate) fn failed(failure: Failure) -> StoreError {
    store_error(failure, is_contention)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use diesel::dsl::sql;
    use diesel::prelude::*;
    use diesel::result::Error;
    use diesel::sql_types::BigInt;
    use tempfile::TempDir;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    fn executor(connections: usize) -> (Executor, DatabaseFile, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otp.db");
        std::fs::write(&path, "").unwrap();
        let file = DatabaseFile::new(path);
        // Switches the file to WAL, which needs exclusive access.
        drop(file.open().unwrap());
        (Executor::new(file.clone(), connections), file, folder)
    }

    /// Marks a connection on its first use; returns whether it was used before.
    async fn was_used_before(executor: &Executor) -> bool {
        let unit = |connection: &mut SqliteConnection| {
            let tables = "SELECT count(*) FROM temp.sqlite_master WHERE name = 'used'";
            let used = sql::<BigInt>(tables).get_result::<i64>(connection)? > 0;
            if !used {
                diesel::sql_query("CREATE TEMP TABLE used (id INTEGER)").execute(connection)?;
            }
            Ok(used)
        };
        executor.run(unit).await.unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_unless_a_unit_of_work_failed_on_it() {
        let (executor, _, _folder) = executor(1);
        assert!(!was_used_before(&executor).await);
        assert!(was_used_before(&executor).await);
        let contended = executor.run::<()>(|_| Err(Failure::Contention("busy".into()))).await;
        assert!(matches!(contended, Err(StoreError::Contention(_))));
        assert!(was_used_before(&executor).await);
        let failed = executor.run::<()>(|_| Err(Failure::Write(Error::NotFound))).await;
        assert!(matches!(failed, Err(StoreError::Write(_))));
        assert!(!was_used_before(&executor).await);
        let panicked = executor.run::<()>(|_| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(StoreError::Write(_))));
        assert!(!was_used_before(&executor).await);
    }

    #[tokio::test]
    async fn a_file_that_was_moved_away_is_unavailable_until_it_is_back() {
        let (executor, file, folder) = executor(1);
        executor.run(|_| Ok(())).await.unwrap();
        let elsewhere = folder.path().join("elsewhere.db");
        std::fs::rename(file.path(), &elsewhere).unwrap();
        for _ in 0..2 {
            let moved = executor.run(|_| Ok(())).await;
            assert!(matches!(moved, Err(StoreError::Unavailable(_))));
        }
        std::fs::rename(&elsewhere, file.path()).unwrap();
        assert!(was_used_before(&executor).await || was_used_before(&executor).await);
    }

    #[tokio::test]
    async fn a_unit_of_work_that_was_started_ends_without_its_caller() {
        let (executor, _, _folder) = executor(1);
        executor.run(|_| Ok(())).await.unwrap();
        let (started, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags = (Arc::clone(&started), Arc::clone(&ended));
        let unit = executor.run(move |_| {
            flags.0.store(true, Ordering::SeqCst);
            sleep(Duration::from_millis(200));
            flags.1.store(true, Ordering::SeqCst);
            Ok(())
        });
        assert!(timeout(Duration::from_millis(100), unit).await.is_err());
        assert!(started.load(Ordering::SeqCst) && !ended.load(Ordering::SeqCst));
        // The only connection is free again once the unit of work has ended.
        executor.run(|_| Ok(())).await.unwrap();
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn no_more_units_of_work_run_at_once_than_there_are_connections() {
        let (executor, _, _folder) = executor(3);
        let running = Arc::new(AtomicUsize::new(0));
        let mut units = JoinSet::new();
        for _ in 0..20 {
            let (executor, running) = (executor.clone(), Arc::clone(&running));
            units.spawn(async move {
                let unit = move |_: &mut SqliteConnection| {
                    let others = running.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_millis(5));
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(others)
                };
                executor.run(unit).await.unwrap()
            });
        }
        let most = units.join_all().await.into_iter().max().unwrap() + 1;
        assert!((2..=3).contains(&most), "{most} at once");
    }

    #[tokio::test]
    async fn callers_that_are_dropped_do_not_free_the_connection() {
        let (executor, _, _folder) = executor(1);
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let (running, ended) = (Arc::clone(&running), Arc::clone(&running));
            let unit = executor.run(move |_| {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                sleep(Duration::from_millis(20));
                ended.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            });
            assert!(timeout(Duration::from_millis(2), unit).await.is_err());
        }
        executor.run(|_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_unit_of_work_that_waits_for_too_long_is_rejected() {
        let (executor, _, _folder) = executor(1);
        let long = executor.run(|_| {
            sleep(Duration::from_millis(5_500));
            Ok(())
        });
        let begin = Instant::now();
        let waiting = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            executor.run(|_| Ok(())).await
        };
        let (long, waiting) = tokio::join!(long, waiting);
        long.unwrap();
        assert!(matches!(waiting, Err(StoreError::Busy(_))), "{waiting:?}");
        assert!(begin.elapsed() >= Duration::from_secs(5));
    }

    #[tokio::test]
    async fn too_many_waiting_units_of_work_are_rejected_at_once() {
        let (executor, _, _folder) = executor(1);
        let mut units = JoinSet::new();
        for _ in 0..1_200 {
            let executor = executor.clone();
            units.spawn(async move {
                executor
                    .run(|_| {
                        sleep(Duration::from_micros(100));
                        Ok(())
                    })
                    .await
            });
            tokio::task::yield_now().await;
        }
        let results = units.join_all().await;
        let rejected = results.iter().filter(|result| matches!(result, Err(StoreError::Busy(_))));
        assert!((1..=180).contains(&rejected.count()));
    }
}
