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
    /// [`BackendError`]; a failed migration leaves nothing behind.
    async fn migrate(&self) -> Result<Vec<String>, BackendError>;

    /// Lists the versions of the pending migrations; changes nothing.
    ///
    /// # Errors
    ///
    /// [`BackendError`], also if an embedded database does not exist.
    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError>;

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
    /// [`BackendError`]; [`BackendError::Exists`] if the database exists, and
    /// [`BackendError::Unsupported`] for a database server. No database is created.
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
