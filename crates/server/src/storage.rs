//! Selection of the storage adapter.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

#[cfg(feature = "postgres")]
use anyhow::{Context as _, ensure};
use anyhow::{anyhow, bail};
use merchant_otp_ports::{BackendError, StorageBackend};
#[cfg(feature = "postgres")]
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
#[cfg(feature = "sqlite")]
use merchant_otp_storage_sqlite::SqliteBackend;

use crate::settings::Storage;
use crate::storage_url::Scheme;

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("a storage adapter is needed: enable the feature `postgres` or `sqlite`");

/// The configured database, and the number of threads that serve from it.
pub(crate) struct Database {
    pub(crate) backend: Arc<dyn StorageBackend>,
    pub(crate) workers: u16,
}

/// Opens the configured database with the adapter that its URL selects.
///
/// `workers` is the number of threads that serve, each with its own stores. `None` uses as many as
/// the processors and the connections allow.
pub(crate) fn open(storage: &Storage, workers: Option<u16>) -> anyhow::Result<Database> {
    let connections = storage.connections();
    let processors = available_parallelism().map_or(2, NonZero::get);
    let processors = u16::try_from(processors).unwrap_or(u16::MAX);
    match storage.url.scheme()? {
        #[cfg(feature = "sqlite")]
        Scheme::Sqlite(path) => {
            let backend = Arc::new(SqliteBackend::open(path, connections));
            Ok(Database { backend, workers: workers.unwrap_or(processors) })
        }
        #[cfg(feature = "postgres")]
        Scheme::Postgres(url) => {
            let (min, max) =
                (PostgresBackend::MIN_CONNECTIONS, PostgresBackend::max_sets(connections));
            ensure!(
                connections >= min,
                "storage.connections: PostgreSQL needs at least {min} connections"
            );
            let sets = workers.unwrap_or(processors.min(max));
            ensure!(
                sets <= max,
                "http.workers: {connections} connections to PostgreSQL (storage.connections) \
                 support at most {max} workers, because each worker uses two and other operations \
                 need one"
            );
            let settings = PostgresSettings { connections, sets };
            let backend = Arc::new(PostgresBackend::open(url, settings).context("storage.url")?);
            Ok(Database { backend, workers: sets })
        }
        #[cfg(not(feature = "sqlite"))]
        Scheme::Sqlite(_) => anyhow::bail!("storage.url: this program was built without SQLite"),
        #[cfg(not(feature = "postgres"))]
        Scheme::Postgres(_) => {
            anyhow::bail!("storage.url: this program was built without PostgreSQL")
        }
    }
}

/// Whether the database is embedded and does not exist yet.
pub(crate) fn is_missing(backend: &dyn StorageBackend) -> bool {
    backend.embedded_file().is_some_and(|file| !file.exists())
}

/// Checks that no migration is pending, and that an embedded database exists.
pub(crate) async fn expect_migrated(backend: &dyn StorageBackend) -> anyhow::Result<()> {
    let pending = backend.pending_migrations().await.map_err(explain)?;
    if !pending.is_empty() {
        bail!("migrations are pending: {}; run `merchant-otp migrate`", pending.join(", "));
    }
    Ok(())
}

/// Converts an error of the backend. If the operator can act on it, the message says how.
pub(crate) fn explain(error: BackendError) -> anyhow::Error {
    let help = match &error {
        BackendError::Missing(_) => {
            "`merchant-otp serve`, `merchant-otp migrate` and `merchant-otp instance add` create it"
        }
        BackendError::Lost { .. } => {
            "put the database back; to restore a backup or to begin a new database instead, move \
             these files away first"
        }
        BackendError::ForeignLog { .. } => {
            "put the former file back; to continue with the present file, without the log, run \
             `merchant-otp migrate --accept-file`, which keeps the log under another name; if the \
             log does belong to the present file, because both were copied here, remove the file \
             beside it whose name ends in `-lock`"
        }
        BackendError::Served { .. } => {
            "one process at a time can serve from an embedded database: stop that process, or use \
             PostgreSQL"
        }
        BackendError::Unavailable(_)
        | BackendError::Unsuitable(_)
        | BackendError::Migration(_)
        | BackendError::Exists(_)
        | BackendError::File(_)
        | BackendError::Database(_)
        | BackendError::Unsupported(_) => return error.into(),
    };
    anyhow!("{error}; {help}")
}
