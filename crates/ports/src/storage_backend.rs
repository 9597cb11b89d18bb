//! The port of a storage adapter as a whole.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use thiserror::Error;

use crate::{Cause, Stores};

/// A database, opened once per process: its schema, its backups, and any number of [`Stores`].
///
/// Every method except [`StorageBackend::stores`] needs a tokio runtime that stays alive until its
/// future resolves.
#[async_trait]
pub trait StorageBackend: Send + Sync + 'static {
    /// A set of stores for the calling thread.
    ///
    /// A transport whose threads have runtimes of their own asks once in each of them, so that a
    /// connection and the requests it serves stay on one thread; a transport on a multi-threaded
    /// runtime asks once. All sets of a backend work on the same database and are interchangeable.
    /// Nothing is connected before the first operation.
    fn stores(&self) -> Stores;

    /// Applies the pending migrations; returns their versions.
    ///
    /// Creates an embedded database that does not exist. Writes nothing if no migration is pending.
    /// Several processes may migrate at the same time: one of them migrates, and the others wait
    /// for it.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; a failed migration leaves nothing behind.
    async fn migrate(&self) -> Result<Vec<String>, BackendError>;

    /// The versions of the pending migrations; changes nothing.
    ///
    /// # Errors
    ///
    /// [`BackendError`], also if an embedded database does not exist.
    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError>;

    /// Copies an embedded database to a new file, as it is at one moment, while others use it.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Unsupported`] for a database server. Leaves no new file.
    async fn back_up(&self, to: &Path) -> Result<(), BackendError>;

    /// Creates an embedded database from a copy that [`StorageBackend::back_up`] made.
    ///
    /// # Errors
    ///
    /// [`BackendError`]; [`BackendError::Exists`] if the database exists, and
    /// [`BackendError::Unsupported`] for a database server. Creates no database.
    async fn restore(&self, from: &Path) -> Result<(), BackendError>;

    /// The file of an embedded database, which belongs to this service alone; `None` for a server.
    fn embedded_file(&self) -> Option<&Path>;
}

/// Why an operation on a database as a whole failed.
#[derive(Debug, Error)]
pub enum BackendError {
    /// There is no connection to the database.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The database, or the path to it, is set up in a way that does not work; the text says what
    /// to do.
    #[error("{0}")]
    Unsuitable(String),
    /// A migration failed; it and all later ones are not applied.
    #[error("migrating the database failed")]
    Migration(#[source] Cause),
    /// The file to be created, or one that would belong to it, exists.
    #[error("{} is there already, and stays as it is", .0.display())]
    Exists(PathBuf),
    /// A file cannot be opened, read or written.
    #[error("a file cannot be used")]
    File(#[source] Cause),
    /// The embedded database, or a copy of it, is damaged or belongs to another program.
    #[error("the database cannot be used")]
    Database(#[source] Cause),
    /// This kind of database has no such operation; names the tool to use instead.
    #[error("this is for the embedded database; use {0}")]
    Unsupported(&'static str),
}
