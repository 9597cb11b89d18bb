//! The ports: one module of queries each.

mod access_tokens;
mod audit;
mod health;
mod instances;
mod otp_devices;
mod sealed_keys;

use std::sync::OnceLock;

use diesel::prelude::*;
use diesel::query_dsl::methods::{ExecuteDsl, LoadQuery};
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, Cause, OtpDeviceInsertion, StoreResult};
use merchant_otp_storage_sql::rows::{DeviceToInsert, TokenKey};
use merchant_otp_storage_sql::{Batcher, Failure};

use crate::executor::{Executor, corrupt, failed};

/// A set of stores.
pub(crate) struct SqliteStores {
    readers: Executor,
    writer: Executor,
    batchers: OnceLock<Batchers>,
    /// The versions of the migrations that the queries need.
    migrations: Vec<String>,
}

/// The operations that many clients ask for at the same time.
///
/// A statement costs little here, and a transaction much: the requests of a batch are executed one after
/// the other, in one transaction.
struct Batchers {
    insertions: Batcher<DeviceToInsert, OtpDeviceInsertion>,
    devices: Batcher<(InstanceId, OtpDeviceId), Option<SealedOtpDevice>>,
    tokens: Batcher<TokenKey, AccessTokenLookup>,
}

impl SqliteStores {
    /// Stores over a pool for reading and one for writing.
    pub(crate) fn new(readers: Executor, writer: Executor, migrations: Vec<String>) -> Self {
        Self { readers, writer, batchers: OnceLock::new(), migrations }
    }

    /// The batchers, whose workers are on the runtime of the first request.
    fn batchers(&self) -> &Batchers {
        let (readers, writer) = (&self.readers, &self.writer);
        self.batchers.get_or_init(|| Batchers {
            insertions: batcher("insert", writer, otp_devices::insert_all),
            devices: batcher("find-device", readers, otp_devices::find_all),
            tokens: batcher("find-token", readers, access_tokens::find_all),
        })
    }

    /// The rows of a query.
    async fn fetch<Row: Send + 'static>(
        &self,
        query: impl LoadQuery<'static, SqliteConnection, Row> + Send + 'static,
    ) -> StoreResult<Vec<Row>> {
        self.readers.run(move |connection| query.load(connection).map_err(Failure::Read)).await
    }

    /// The number of rows that a statement changed.
    async fn write(
        &self,
        statement: impl ExecuteDsl<SqliteConnection> + Send + 'static,
    ) -> StoreResult<u64> {
        self.writer
            .run(move |connection| Ok(ExecuteDsl::execute(statement, connection)? as u64))
            .await
    }

    /// Executes a statement and, if it changed a row, appends the event of the change, in one
    /// transaction.
    async fn change(
        &self,
        event: &AuditEvent,
        statement: impl ExecuteDsl<SqliteConnection> + Send + 'static,
    ) -> StoreResult<bool> {
        let event = event.clone();
        let unit = move |connection: &mut SqliteConnection| {
            let changed = ExecuteDsl::execute(statement, connection)? > 0;
            if changed {
                audit::append(connection, &[&event])?;
            }
            Ok(changed)
        };
        self.transaction(unit).await
    }

    /// Executes a unit of work that writes, in a transaction.
    async fn transaction<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        self.writer.run(move |connection| connection.immediate_transaction(unit)).await
    }
}

/// The result of each request of a batch, in their order, or why the batch failed.
type EachResult<A> = Result<Vec<StoreResult<A>>, Failure>;

/// A batcher that executes each batch as one unit of work.
fn batcher<R: Clone + Send + Sync + 'static, A: Send + 'static>(
    name: &'static str,
    executor: &Executor,
    unit: fn(&mut SqliteConnection, &[R]) -> EachResult<A>,
) -> Batcher<R, A> {
    Batcher::spawn(
        name,
        executor.clone(),
        move |executor: Executor, connection, requests| async move {
            executor.run_on(connection, move |connection| unit(connection, &requests)).await
        },
    )
}

/// The domain values of rows.
fn values<Row, T>(rows: Vec<Row>, value: impl Fn(Row) -> Result<T, Cause>) -> StoreResult<Vec<T>> {
    rows.into_iter().map(|row| value(row).map_err(corrupt)).collect()
}

/// The results of the requests of a batch: a row that is no value of the domain fails its request alone,
/// and anything else the batch.
fn each<R, A>(requests: &[R], mut execute: impl FnMut(&R) -> Result<A, Failure>) -> EachResult<A> {
    let result = |request| match execute(request) {
        Err(failure @ (Failure::Read(_) | Failure::Write(_))) => Err(failure),
        result => Ok(result.map_err(failed)),
    };
    requests.iter().map(result).collect()
}

/// Executes several reads in one transaction: locking the file costs as much as a read.
fn reading<T>(
    connection: &mut SqliteConnection,
    read: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.transaction(read).map_err(|failure| match failure {
        // Of the transaction itself: nothing was written.
        Failure::Write(error) => Failure::Read(error),
        failure => failure,
    })
}
