//! The ports: one module of queries each.

mod access_tokens;
mod audit;
mod health;
mod instances;
mod otp_devices;
mod sealed_keys;

use std::sync::{Arc, OnceLock};

use diesel::pg::Pg;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::FutureExt;
use merchant_otp_domain::{AuditEvent, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, Cause, OtpDeviceInsertion, StoreResult};
use merchant_otp_storage_sql::rows::{DeviceToInsert, TokenKey};
use merchant_otp_storage_sql::{Batcher, Failure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::batched::{DeviceKey, insert_devices, look_up_devices, look_up_tokens};
use crate::connect::{LOOKUP_SETTINGS, Server};
use crate::executor::{Executor, corrupt};

/// A set of stores.
pub(crate) struct PostgresStores {
    server: Server,
    /// The pool that all sets share, for everything but the batches.
    shared: Executor,
    /// A permit for each set that may have connections of its own.
    sets: Arc<Semaphore>,
    batchers: OnceLock<Batchers>,
    /// The versions of the migrations that the queries need.
    migrations: Vec<String>,
}

/// The operations that many clients ask for at the same time.
struct Batchers {
    insertions: Batcher<DeviceToInsert, OtpDeviceInsertion>,
    devices: Batcher<DeviceKey, Option<SealedOtpDevice>>,
    tokens: Batcher<TokenKey, AccessTokenLookup>,
    _set: Option<OwnedSemaphorePermit>,
}

impl PostgresStores {
    pub(crate) fn new(
        server: Server,
        shared: Executor,
        sets: Arc<Semaphore>,
        migrations: Vec<String>,
    ) -> Self {
        Self { server, shared, sets, batchers: OnceLock::new(), migrations }
    }

    /// The batchers, whose workers and connections are on the runtime of the first request.
    ///
    /// One connection looks up and one writes. A set that comes when all permits are taken has none of its
    /// own and uses the shared pool.
    fn batchers(&self) -> &Batchers {
        self.batchers.get_or_init(|| {
            let set = Arc::clone(&self.sets).try_acquire_owned().ok();
            let pool = |settings| match set {
                Some(_) => Executor::new(&self.server, 1, settings),
                None => self.shared.clone(),
            };
            let (reader, writer) = (pool(LOOKUP_SETTINGS), pool(""));
            let look_up = reader.clone();
            Batchers {
                insertions: Batcher::spawn(
                    "insert",
                    writer,
                    move |writer, connection, requests| {
                        insert_devices(writer, connection, look_up.clone(), requests)
                    },
                ),
                devices: Batcher::spawn("find-device", reader.clone(), look_up_devices),
                tokens: Batcher::spawn("find-token", reader, look_up_tokens),
                _set: set,
            }
        })
    }

    /// Executes a statement and, if it changed a row, appends the event of the change, in one
    /// transaction.
    async fn change(
        &self,
        event: &AuditEvent,
        statement: impl QueryFragment<Pg> + QueryId + Send + 'static,
    ) -> StoreResult<bool> {
        let event = event.clone();
        let unit = self.shared.run(Failure::Write, |connection| {
            connection
                .transaction(async move |connection| {
                    let changed = statement.execute(connection).await? > 0;
                    if changed {
                        audit::append(connection, &event).await?;
                    }
                    Ok(changed)
                })
                .boxed()
        });
        unit.await
    }
}

/// The domain values of rows.
fn values<Row, T>(rows: Vec<Row>, value: impl Fn(Row) -> Result<T, Cause>) -> StoreResult<Vec<T>> {
    rows.into_iter().map(|row| value(row).map_err(corrupt)).collect()
}
