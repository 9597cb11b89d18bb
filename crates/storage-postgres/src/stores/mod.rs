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

use std::sync::{Arc, OnceLock};

use merchant_otp_domain::SealedOtpDevice;
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion};
use merchant_otp_storage_sql::Batcher;
use merchant_otp_storage_sql::rows::{DeviceToInsert, TokenKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::batched::{DeviceKey, insert_devices, look_up_devices, look_up_tokens};
use crate::connect::{LOOKUP_SETTINGS, Server};
use crate::executor::Executor;

/// A set of stores.
pub(crate) struct SqlStores {
    pub(crate) server: Server,
    /// The pool that all sets share, for all operations except batches.
    pub(crate) reading: Executor,
    /// The same pool; the queries shared with SQLite distinguish reading from writing.
    pub(crate) writing: Executor,
    /// One permit per set that may have its own connections.
    pub(crate) sets: Arc<Semaphore>,
    pub(crate) batchers: OnceLock<Batchers>,
    /// The versions of the migrations that the queries require.
    pub(crate) migrations: Vec<String>,
}

/// The batchers of the operations that many clients request concurrently.
pub(crate) struct Batchers {
    insertions: Batcher<DeviceToInsert, OtpDeviceInsertion>,
    devices: Batcher<DeviceKey, Option<SealedOtpDevice>>,
    tokens: Batcher<TokenKey, AccessTokenLookup>,
    _set: Option<OwnedSemaphorePermit>,
}

impl SqlStores {
    /// Returns the batchers. Their workers and connections are on the runtime of the first request.
    ///
    /// A set has one connection for look-ups and one for writes. If all permits are taken, the set
    /// uses the shared pool instead.
    fn batchers(&self) -> &Batchers {
        self.batchers.get_or_init(|| {
            let set = Arc::clone(&self.sets).try_acquire_owned().ok();
            let pool = |settings| match set {
                Some(_) => Executor::new(&self.server, 1, settings),
                None => self.writing.clone(),
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
}
