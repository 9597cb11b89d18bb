//! Database access of the commands.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::Service;
use merchant_otp_ports::StorageBackend;

use crate::master_key_files::master_key_created;
use crate::settings::Settings;
use crate::storage::{self, expect_migrated, explain, is_missing};
use crate::wiring;

/// What a command does with the database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It reads. Nothing is created, not even tables.
    Read,
    /// It changes a database that exists. Pending migrations are applied first.
    Change,
    /// Like [`Use::Change`]; a database that does not exist is created.
    Create,
}

/// Opens the configured database.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Arc<dyn StorageBackend>> {
    Ok(storage::open(&settings.storage, Some(1))?.backend)
}

/// Opens the configured database with the current schema.
async fn migrated(settings: &Settings, to: Use) -> anyhow::Result<Arc<dyn StorageBackend>> {
    let backend = open(settings)?;
    let prepare = async || match to {
        Use::Read => expect_migrated(&*backend).await,
        Use::Change => {
            // It exists, so it is not created.
            backend.pending_migrations().await.map_err(explain)?;
            backend.migrate().await.map(drop).map_err(explain)
        }
        Use::Create => {
            let is_new = is_missing(&*backend);
            backend.migrate().await.map_err(explain)?;
            if let Some(path) = backend.embedded_file().filter(|_| is_new) {
                writeln!(io::stderr(), "created the database {}", path.display())?;
            }
            Ok(())
        }
    };
    prepare().await.context("storage.url")?;
    Ok(backend)
}

/// Creates the service over the database, for a command that neither seals nor opens a key.
pub(super) async fn service(settings: &Settings, to: Use) -> anyhow::Result<Arc<Service>> {
    let backend = migrated(settings, to).await?;
    Ok(Arc::new(wiring::keyless_service(&*backend)))
}

/// Creates the service over the database, for a command that only opens keys: some of them may not
/// open.
pub(super) async fn opening_service(settings: &Settings, to: Use) -> anyhow::Result<Service> {
    let backend = migrated(settings, to).await?;
    wiring::opening_service(&*backend, &settings.security).await
}

/// Creates the service over the database, for a dry run of a command that seals keys. It creates
/// nothing.
pub(super) async fn checking_service(settings: &Settings) -> anyhow::Result<Service> {
    let backend = migrated(settings, Use::Read).await?;
    wiring::checking_service(&*backend, &settings.security).await
}

/// Creates the service over the database, for a command that seals keys. Creates the master key of
/// an embedded database that has none yet.
pub(super) async fn sealing_service(settings: &Settings) -> anyhow::Result<Service> {
    let backend = migrated(settings, Use::Change).await?;
    let (service, created) = wiring::service(&*backend, &settings.security).await?;
    if let Some(path) = created {
        writeln!(io::stderr(), "{}", master_key_created(&path))?;
    }
    Ok(service)
}
