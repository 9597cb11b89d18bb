//! The port of a storage adapter as a whole.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use thiserror::Error;

use crate::{Cause, Stores};

/// A database, opened once per process: its schema, its backups, and any number of [`Stores`].
///
/// Every method except [`StorageBackend::stores`] needs a tokio runtime that stays alive until its
/// future resolves.
///
/// ```
/// use merchant_otp_ports::{BackendError, StorageBackend, Stores};
///
/// async fn open(backend: &dyn StorageBackend) -> Result<Stores, BackendError> {
///     backend.migrate().await?;
///     Ok(backend.stores())
/// }
/// ```
#[async_trait]
pub trait StorageBackend: Send + Sync + 'static {
    /// Creates a set of stores for the calling thread.
    ///
    /// A transport with one runtime per thread calls this once per thread, so that a connection and
    /// the requests it serves stay on one thread. A transport on a multi-threaded runtime calls it
    /// once. All sets of a backend use the same database and are interchangeable. No connection is
    /// opened before the first operation.
    fn stores(&self) -> Stores;

    /// Applies the pending migrations; returns their versions.
    ///
    /// Creates an embedded database that does not exist. Writes nothing if no migration is pending.
    /// Several processes may call this at the same time: one of them migrates, the others wait for
    /// it.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Lost`] if there was a database that is missing now. A
    /// failed migration leaves nothing behind.
    async fn migrate(&self) -> Result<Vec<String>, BackendError>;

    /// Lists the versions of the pending migrations; changes nothing.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Missing`] or [`BackendError::Lost`] if an embedded
    /// database does not exist.
    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError>;

    /// Reserves an embedded database for this process as the only one that serves from it, until
    /// the backend and its stores are dropped. Commands may use the database at the same time.
    ///
    /// Does nothing for a database server, which any number of processes may serve from.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Served`] if another process has reserved it.
    async fn reserve(&self) -> Result<(), BackendError>;

    /// Accepts the file of an embedded database that was put in the place of another one.
    ///
    /// The log of the other file is renamed, because it must not be applied to this one. Returns
    /// the new names. Does nothing if the log belongs to the file, or if there is no log.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Served`] while a process serves from the database, and
    /// [`BackendError::Unsupported`] for a database server. Nothing is renamed.
    async fn accept_file(&self) -> Result<Vec<PathBuf>, BackendError>;

    /// Copies a consistent snapshot of an embedded database to a new file, while it is in use.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Unsupported`] for a database server. No new file is left.
    async fn back_up(&self, to: &Path) -> Result<(), BackendError>;

    /// Creates an embedded database from a copy that [`StorageBackend::back_up`] made.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Exists`] if the database exists, [`BackendError::Lost`] if
    /// there was another one that is missing now, and [`BackendError::Unsupported`] for a database
    /// server. No database is created.
    async fn restore(&self, from: &Path) -> Result<(), BackendError>;

    /// The file of an embedded database, which only this service uses; `None` for a server.
    fn embedded_file(&self) -> Option<&Path>;
}

/// Error returned by the methods of [`StorageBackend`].
///
/// ```
/// use merchant_otp_ports::BackendError;
///
/// let error = BackendError::Unsupported("pg_dump");
/// assert!(error.to_string().contains("pg_dump"));
/// ```
#[derive(Debug, Error)]
pub enum BackendError {
    /// There is no connection to the database.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The database, or the path to it, is not set up correctly; the text explains what to do.
    #[error("{0}")]
    Unsuitable(String),
    /// The embedded database does not exist, and nothing shows that there was one.
    #[error("the database {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The embedded database does not exist, but files beside it show that there was one. A new
    /// database in its place would destroy what its log still holds.
    #[error(
        "the database {} is missing, but there was one: {} {} still there",
        database.display(), list(found), if found.len() == 1 { "is" } else { "are" }
    )]
    Lost {
        /// The file that is missing.
        database: PathBuf,
        /// The files that show it.
        found: Vec<PathBuf>,
    },
    /// The file of the embedded database was replaced: the log beside it belongs to another file,
    /// and would damage this one.
    #[error("the log {} belongs to another file than {}", log.display(), database.display())]
    ForeignLog {
        /// The file that is there now.
        database: PathBuf,
        /// The log of the other file.
        log: PathBuf,
    },
    /// Another process serves from the embedded database.
    #[error("{process} serves from the database {}", database.display())]
    Served {
        /// The file of the database.
        database: PathBuf,
        /// The process, for people.
        process: String,
    },
    /// A migration failed; it and all later ones are not applied.
    #[error("migrating the database failed")]
    Migration(#[source] Cause),
    /// The file to create, or one that would belong to it, exists.
    #[error("{} already exists and was not changed", .0.display())]
    Exists(PathBuf),
    /// A file cannot be opened, read or written.
    #[error("a file cannot be used")]
    File(#[source] Cause),
    /// The embedded database, or a copy of it, is damaged or belongs to another program.
    #[error("the database cannot be used")]
    Database(#[source] Cause),
    /// This kind of database does not support the operation; names the tool to use instead.
    #[error("this is for the embedded database; use {0}")]
    Unsupported(&'static str),
}

/// Formats paths as a list.
fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
