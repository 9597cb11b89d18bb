//! The choice of the storage adapter.

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

/// The database of the settings, and how many threads can serve from it.
pub(crate) struct Database {
    pub(crate) backend: Arc<dyn StorageBackend>,
    pub(crate) workers: u16,
}

/// Opens the database of the settings by the adapter that its URL picks.
///
/// `workers` is the number of threads that serve, each with stores of its own; `None` for as many
/// as the processors and the connections permit.
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
            ensure!(connections >= min, "storage.connections: PostgreSQL needs {min} at least");
            let sets = workers.unwrap_or(processors.min(max));
            ensure!(
                sets <= max,
                "http.workers: {connections} connections to PostgreSQL (storage.connections) are \
                 enough for at most {max} workers: each takes two, and one is left for the rest"
            );
            let settings = PostgresSettings { connections, sets };
            let backend = Arc::new(PostgresBackend::open(url, settings).context("storage.url")?);
            Ok(Database { backend, workers: sets })
        }
        #[cfg(not(feature = "sqlite"))]
        Scheme::Sqlite(_) => anyhow::bail!("storage.url: built without the feature `sqlite`"),
        #[cfg(not(feature = "postgres"))]
        Scheme::Postgres(_) => anyhow::bail!("storage.url: built without the feature `postgres`"),
    }
}
