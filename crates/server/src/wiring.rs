//! Wiring of the service from its adapters.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::Service;
use merchant_otp_domain::{MasterKeyId, OtpKey, SealedOtpKey};
use merchant_otp_ports::{KeySealer, SealError, SealingContext, StorageBackend, Stores};

use crate::master_key_files::{MasterKeys, Missing};
use crate::process::clock::SystemClock;
use crate::settings::Security;

/// Creates the service over a migrated database, with its master keys, which are checked. Also
/// returns the file of the master key if this call created one.
pub(crate) async fn service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<(Service, Option<PathBuf>)> {
    let (service, created) = with_master_keys(backend, security, Missing::Create).await?;
    service.check_master_keys().await.context("security.master_keys")?;
    Ok((service, created))
}

/// Creates the service over a migrated database, to open keys. Creates no master key, and works if
/// some are missing.
pub(crate) async fn opening_service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<Service> {
    Ok(with_master_keys(backend, security, Missing::Refuse).await?.0)
}

/// Creates the service over a migrated database, for a dry run: it opens keys, and creates no
/// master key if there is none yet.
pub(crate) async fn checking_service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<Service> {
    Ok(with_master_keys(backend, security, Missing::Generate).await?.0)
}

/// Creates the service over a migrated database, without its master keys: for use cases that
/// neither seal nor open a key.
pub(crate) fn keyless_service(backend: &dyn StorageBackend) -> Service {
    new_service(backend.stores(), Arc::new(NoMasterKeys))
}

async fn with_master_keys(
    backend: &dyn StorageBackend,
    security: &Security,
    missing: Missing,
) -> anyhow::Result<(Service, Option<PathBuf>)> {
    let stores = backend.stores();
    // Unless configured, the master key of an embedded database is in a file beside it.
    let beside = backend.embedded_file().map(|file| file.with_file_name("master.key"));
    let keys = MasterKeys::read(&security.master_keys, beside, missing, &*stores.sealed_keys);
    let MasterKeys { keyring, created } = keys.await?;
    Ok((new_service(stores, Arc::new(keyring)), created))
}

fn new_service(stores: Stores, sealer: Arc<dyn KeySealer>) -> Service {
    Service::new(stores, sealer, Arc::new(SystemClock))
}

/// No master keys. It seals and opens nothing.
struct NoMasterKeys;

impl KeySealer for NoMasterKeys {
    fn current(&self) -> MasterKeyId {
        MasterKeyId::new([0; MasterKeyId::BYTES])
    }

    fn has(&self, _: MasterKeyId) -> bool {
        false
    }

    fn seal(&self, _: &OtpKey, _: SealingContext<'_>) -> Result<SealedOtpKey, SealError> {
        Err(SealError::Failed("no master key was read".into()))
    }

    fn open(&self, sealed: &SealedOtpKey, _: SealingContext<'_>) -> Result<OtpKey, SealError> {
        Err(SealError::UnknownMasterKey(sealed.master_key()))
    }
}
