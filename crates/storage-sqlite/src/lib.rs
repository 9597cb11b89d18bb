//! The embedded storage adapter: a database of SQLite in one file, for one machine.
//!
//! SQLite is compiled in. The file is in WAL mode with `synchronous=FULL`: what is acknowledged is on
//! the disk. One connection writes, several read, and other processes (the command line) may do both
//! at the same time.

mod backup;
mod batches;
mod connector;
mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use backup::BackupError;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use merchant_otp_ports::Stores;
pub use merchant_otp_storage_diesel::MigrationError;
use merchant_otp_storage_diesel::schema::__diesel_schema_migrations;
use merchant_otp_storage_diesel::{
    Door, Lanes, MIGRATIONS_TABLE, apply_migrations, migration_versions, pending_migrations, stores,
};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::connector::{SqliteConnector, SqliteFile};
use crate::file::MigrationLock;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// How many batches of lookups of each kind are read at a time.
const LOOKUPS: u16 = 2;

/// A database of SQLite.
#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    connector: SqliteConnector,
    readers: u16,
    token_cache: Duration,
}

impl SqliteDatabase {
    /// The database in the file at `path`, with so many connections for reading, which looks
    /// access tokens up again after so long.
    ///
    /// Nothing is opened yet: [`SqliteDatabase::migrate`] makes the file.
    #[must_use]
    pub fn new(path: PathBuf, readers: u16, token_cache: Duration) -> Self {
        Self { connector: SqliteConnector::new(path), readers, token_cache }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.connector.path()
    }

    /// Makes the file and its folder if they are missing, and applies the pending migrations.
    ///
    /// Answers the versions of the migrations that it applied. Where none are pending nothing is
    /// written. Several processes may migrate at once: one does, and the others wait for it.
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
            // No file yet, or one that another process makes just now: then under the lock.
            if open_and_find_pending(&connector).is_ok_and(|pending| pending.is_empty()) {
                return Ok(Vec::new());
            }
            let _lock =
                MigrationLock::take(connector.path()).map_err(MigrationError::Unavailable)?;
            file::create(connector.path()).map_err(MigrationError::Unavailable)?;
            let mut file = connector.open_patiently().map_err(MigrationError::Unavailable)?;
            apply_migrations(&mut file.connection, MIGRATIONS)
        })
        .await
    }

    /// The versions of the migrations that are pending; changes nothing.
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
        blocking(move || open_and_find_pending(&connector)).await
    }

    /// Copies the database to a new file, as it is at one moment, while others work with it.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; no file is left then, but one that was there.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn back_up(&self, to: PathBuf) -> Result<(), BackupError> {
        let connector = self.connector.clone();
        spawn_blocking(move || backup::back_up(&connector, &to))
            .await
            .map_err(|stopped| BackupError::Database(stopped.into()))?
    }

    /// Makes the database of a copy that [`SqliteDatabase::back_up`] made; there must be none yet.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; no database is made then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn restore(&self, from: PathBuf) -> Result<(), BackupError> {
        let connector = self.connector.clone();
        spawn_blocking(move || backup::restore(&connector, &from))
            .await
            .map_err(|stopped| BackupError::Database(stopped.into()))?
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
        let (reading, writing) = (door(self.readers), door(1));
        let lanes = Lanes::before(&reading, &writing, LOOKUPS, &Handle::current());
        stores(reading, writing, lanes, versions(), self.token_cache)
    }
}

fn open_and_find_pending(connector: &SqliteConnector) -> Result<Vec<String>, MigrationError> {
    let SqliteFile { connection, .. } =
        &mut connector.open().map_err(MigrationError::Unavailable)?;
    let tables = format!("SELECT count(*) FROM sqlite_master WHERE name = '{MIGRATIONS_TABLE}'");
    let tables = sql::<BigInt>(&tables).get_result::<i64>(connection);
    let applied = match tables.map_err(MigrationError::failed)? {
        0 => Vec::new(),
        _ => __diesel_schema_migrations::table
            .select(__diesel_schema_migrations::version)
            .load(connection)
            .map_err(MigrationError::failed)?,
    };
    pending_migrations::<Sqlite, _>(&applied, &MIGRATIONS)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MigrationError> + Send + 'static,
) -> Result<T, MigrationError> {
    spawn_blocking(work).await.map_err(MigrationError::failed)?
}

/// The versions of all migrations.
fn versions() -> Vec<String> {
    #[expect(clippy::expect_used, reason = "they are compiled in")]
    migration_versions::<Sqlite, _>(&MIGRATIONS).expect("the migrations")
}
