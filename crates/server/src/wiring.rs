//! The service, wired from adapters.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::Service;
use merchant_otp_ports::StorageBackend;

use crate::master_key_files::MasterKeys;
use crate::process::clock::SystemClock;
use crate::settings::Security;

/// The use cases over a database, which has to be migrated, with its master keys; and the file that
/// a master key was made in just now.
pub(crate) async fn service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<(Service, Option<PathBuf>)> {
    let (service, made) = unchecked_service(backend, security).await?;
    service.check_master_keys().await.context("security.master_keys")?;
    Ok((service, made))
}

/// Like [`service`], whether the master keys are those that the database needs or not.
pub(crate) async fn unchecked_service(
    backend: &dyn StorageBackend,
    security: &Security,
) -> anyhow::Result<(Service, Option<PathBuf>)> {
    let stores = backend.stores();
    // An embedded database has its master key beside it, if the settings name none.
    let beside = backend.embedded_file().map(|file| file.with_file_name("master.key"));
    let MasterKeys { keyring, made } =
        MasterKeys::read(&security.master_keys, beside, stores.sealed_keys.as_ref()).await?;
    Ok((Service::new(stores, Arc::new(keyring), Arc::new(SystemClock)), made))
}
