//! The reference storage adapter, which keeps all data in memory.
//!
//! It implements the ports in a few lines, and tests of the layers above use it as their store. It
//! is not meant for production: all data is lost when the process ends.

mod access_tokens;
mod audit;
mod health;
mod instances;
mod otp_devices;
mod sealed_keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AuditEvent, InstanceId, MasterKeyId, OtpDeviceId, SealedOtpDevice,
    SealedOtpKey,
};
use merchant_otp_ports::{
    BackendError, StorageBackend, StoredAccessToken, StoredAuditEvent, StoredInstance, Stores,
};

/// Creates a new and empty database and returns its stores.
#[must_use]
pub fn open() -> Stores {
    MemoryBackend::default().stores()
}

/// A database in memory. Clones share its data, like processes that share a database server.
#[derive(Clone, Default)]
pub struct MemoryBackend(Arc<Memory>);

#[async_trait]
impl StorageBackend for MemoryBackend {
    fn stores(&self) -> Stores {
        self.0.clone().into()
    }

    async fn migrate(&self) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }

    async fn reserve(&self) -> Result<(), BackendError> {
        Ok(())
    }

    async fn accept_file(&self) -> Result<Vec<PathBuf>, BackendError> {
        Err(BackendError::Unsupported("another adapter"))
    }

    async fn back_up(&self, _to: &Path) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("another adapter"))
    }

    async fn restore(&self, _from: &Path) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("another adapter"))
    }

    fn embedded_file(&self) -> Option<&Path> {
        None
    }
}

#[derive(Default)]
struct Memory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    instances: BTreeMap<InstanceId, InstanceContents>,
    check_values: BTreeMap<MasterKeyId, SealedOtpKey>,
    last_instance_serial: i64,
    last_token_serial: i64,
    audit: Audit,
}

#[derive(Default)]
struct Audit {
    /// Ordered by serial.
    events: Vec<StoredAuditEvent>,
    last_serial: i64,
}

impl Audit {
    fn append(&mut self, event: AuditEvent) {
        self.last_serial += 1;
        self.events.push(StoredAuditEvent { serial: self.last_serial, event });
    }
}

struct InstanceContents {
    stored: StoredInstance,
    access_tokens: Vec<(AccessTokenDigest, StoredAccessToken)>,
    otp_devices: BTreeMap<OtpDeviceId, SealedOtpDevice>,
}

impl Memory {
    /// Locks all contents for one unit of work. Poisoning is ignored, because no unit of work
    /// panics halfway.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an instance that exists and is not deleted; returns whether it was changed.
    fn change(
        &self,
        id: &InstanceId,
        event: &AuditEvent,
        change: impl FnOnce(&mut StoredInstance),
    ) -> bool {
        let contents = &mut *self.lock();
        match contents.instances.get_mut(id).map(|contents| &mut contents.stored) {
            Some(stored) if !stored.deleted => {
                change(stored);
                contents.audit.append(event.clone());
                true
            }
            _ => false,
        }
    }
}
