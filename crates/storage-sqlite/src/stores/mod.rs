//! The implementations of the ports: one module of queries per port, shared by both SQL adapters
//! (`storage-sql/stores`), and the transactions of several statements.

#[path = "../../../storage-sql/stores/access_tokens.rs"]
mod access_tokens;
#[path = "../../../storage-sql/stores/audit.rs"]
mod audit;
#[path = "../../../storage-sql/stores/health.rs"]
mod health;
#[path = "../../../storage-sql/stores/instances.rs"]
mod instances;
#[path = "../../../storage-sql/stores/otp_devices.rs"]
mod otp_devices;
#[path = "../../../storage-sql/stores/sealed_keys.rs"]
mod sealed_keys;
mod transactions;

use std::sync::OnceLock;

use diesel::SqliteConnection;
use merchant_otp_domain::{InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion};
use merchant_otp_storage_sql::Batcher;
use merchant_otp_storage_sql::rows::{DeviceToInsert, TokenKey};

use crate::batched::{EachResult, find_devices, find_tokens, insert_devices};
use crate::executor::Executor;

/// A set of stores.
pub(crate) struct SqlStores {
    /// The pool of read connections.
    pub(crate) reading: Executor,
    /// The pool of the single write connection.
    pub(crate) writing: Executor,
    pub(crate) batchers: OnceLock<Batchers>,
    /// The versions of the migrations that the queries require.
    pub(crate) migrations: Vec<String>,
}

/// The batchers of the operations that many clients request concurrently.
pub(crate) struct Batchers {
    insertions: Batcher<DeviceToInsert, OtpDeviceInsertion>,
    devices: Batcher<(InstanceId, OtpDeviceId), Option<SealedOtpDevice>>,
    tokens: Batcher<TokenKey, AccessTokenLookup>,
}

impl SqlStores {
    /// Returns the batchers. Their workers run on the runtime of the first request.
    fn batchers(&self) -> &Batchers {
        self.batchers.get_or_init(|| Batchers {
            insertions: batcher("insert", &self.writing, insert_devices),
            devices: batcher("find-device", &self.reading, find_devices),
            tokens: batcher("find-token", &self.reading, find_tokens),
        })
    }
}

/// Creates a batcher that executes each batch as one unit of work.
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
