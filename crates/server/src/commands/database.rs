//! Database access of the commands.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::Service;
use merchant_otp_ports::StorageBackend;

use crate::master_key_files::master_key_created;
use crate::settings::Settings;
use crate::{storage, wiring};

/// Opens the configured database.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Arc<dyn StorageBackend>> {
    Ok(storage::open(&settings.storage, Some(1))?.backend)
}

/// Opens the configured database and applies pending migrations.
async fn migrated(settings: &Settings) -> anyhow::Result<Arc<dyn StorageBackend>> {
    let backend = open(settings)?;
    backend.migrate().await.context("storage.url")?;
    Ok(backend)
}

/// Creates the service over the migrated database.
pub(super) async fn service(settings: &Settings) -> anyhow::Result<Arc<Service>> {
    let backend = migrated(settings).await?;
    let (service, created) = wiring::service(&*backend, &settings.security).await?;
    if let Some(path) = created {
        writeln!(io::stderr(), "{}", master_key_created(&path))?;
    }
    Ok(Arc::new(service))
}

/// Creates the service over the migrated database, even if master keys are missing.
pub(super) async fn unchecked_service(settings: &Settings) -> anyhow::Result<Service> {
    let backend = migrated(settings).await?;
    Ok(wiring::unchecked_service(&*backend, &settings.security).await?.0)
}
