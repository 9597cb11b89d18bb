//! Wiring of the service from its adapters.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::Service;
use merchant_otp_ports::StorageBackend;

use crate::master_key_files::MasterKeys;
use crate::process::clock::SystemClock;
use crate::settings::Security;

/// Creates the service over a migrated database, with its master keys. Also returns the file of the
/// master key if this call created one.
pub(crate) async fn service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<(Service, Option<PathBuf>)> {
    let (service, created) = unchecked_service(backend, security).await?;
    service.check_master_keys().await.context("security.master_keys")?;
    Ok((service, created))
}

/// Like [`service`], but does not check that no master key is missing.
pub(crate) async fn unchecked_service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<(Service, Option<PathBuf>)> {
    let stores = backend.stores();
    // Unless configured, the master key of an embedded database is in a file beside it.
    let beside = backend.embedded_file().map(|file| file.with_file_name("master.key"));
    let MasterKeys { keyring, created } =
        MasterKeys::read(&security.master_keys, beside, stores.sealed_keys.as_ref()).await?;
    Ok((Service::new(stores, Arc::new(keyring), Arc::new(SystemClock)), created))
}
