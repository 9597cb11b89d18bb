//! The embedded storage adapter: a database of SQLite in one file, for one machine.
//!
//! SQLite is compiled in. The file is in WAL mode with `synchronous=FULL`: what is acknowledged is on
//! the disk. One connection writes, several read, and other processes (the command line) may do both
//! at the same time.

mod connector;

use std::path::PathBuf;
use std::sync::Arc;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use merchant_otp_ports::Stores;
pub use merchant_otp_storage_diesel::MigrationError;
use merchant_otp_storage_diesel::{Door, apply_migrations, pending_migrations, stores};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::connector::SqliteConnector;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A database of SQLite.
#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    connector: SqliteConnector,
    readers: usize,
}

impl SqliteDatabase {
    /// The database in the file at `path`, with so many connections for reading.
    ///
    /// Nothing is opened yet: [`SqliteDatabase::migrate`] makes the file.
    #[must_use]
    pub fn new(path: PathBuf, readers: usize) -> Self {
        Self { connector: SqliteConnector::new(path), readers }
    }

    /// Makes the file and its folder if they are missing, and applies the pending migrations.
    ///
    /// Answers the names of the migrations that it applied. Several processes may migrate at once.
    ///
    /// # Errors
    ///
    /// [`MigrationError`]; a migration that fails leaves nothing behind.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn migrate(&self) -> Result<Vec<String>, MigrationError> {
        let connector = self.connector.clone();
        blocking(move || {
            connector.create().map_err(MigrationError::Unavailable)?;
            let mut file = connector.open().map_err(MigrationError::Unavailable)?;
            // One transaction around all: a second process waits here, and then finds them applied.
            let mut applied = Ok(Vec::new());
            let migrated = file.connection.immediate_transaction(|connection| {
                applied = apply_migrations(connection, MIGRATIONS);
                match applied {
                    Ok(_) => Ok(()),
                    Err(_) => Err(diesel::result::Error::RollbackTransaction),
                }
            });
            match (applied, migrated) {
                (Err(error), _) => Err(error),
                (Ok(_), Err(error)) => Err(MigrationError::Migration(error.into())),
                (Ok(applied), Ok(())) => Ok(applied),
            }
        })
        .await
    }

    /// The names of the migrations that are pending.
    ///
    /// # Errors
    ///
    /// [`MigrationError`], also if there is no file yet.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, MigrationError> {
        let connector = self.connector.clone();
        blocking(move || {
            let mut file = connector.open().map_err(MigrationError::Unavailable)?;
            pending_migrations(&mut file.connection, MIGRATIONS)
        })
        .await
    }

    /// The stores of the database, which has to be migrated.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime; the runtime has to outlive the stores.
    #[must_use]
    pub fn stores(&self) -> Stores {
        let door = |connections| {
            Arc::new(Door::new(self.connector.clone(), connections, Handle::current()))
        };
        // SQLite knows one writer at a time: queueing at the door is fair, its locks are not.
        stores(door(self.readers), door(1))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MigrationError> + Send + 'static,
) -> Result<T, MigrationError> {
    spawn_blocking(work).await.map_err(|error| MigrationError::Migration(error.into()))?
}
