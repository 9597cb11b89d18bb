//! Selection of the storage adapter.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

#[cfg(feature = "postgres")]
use anyhow::{Context as _, ensure};
use merchant_otp_ports::StorageBackend;
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
