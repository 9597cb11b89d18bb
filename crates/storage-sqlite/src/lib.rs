//! The embedded storage adapter: a SQLite database in one file, for one machine.
//!
//! SQLite is compiled in. The file is in WAL mode with `synchronous=FULL`, so that acknowledged
//! writes are on disk. One connection writes and several read; other processes, such as the command
//! line, may do both at the same time.

mod backup;
mod batched;
mod connect;
mod executor;
mod file;
mod lock;
mod opening;
mod reservation;
mod serials;
mod stores;
mod uri;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use merchant_otp_ports::{BackendError, StorageBackend, Stores};
use merchant_otp_storage_sql::migration::{
    apply_migrations, migration_failed, pending_migrations, versions,
};
use merchant_otp_storage_sql::schema::__diesel_schema_migrations;
use tokio::task::spawn_blocking;

use crate::connect::{DatabaseFile, has_migrations_table};
use crate::executor::Executor;
use crate::lock::OpeningLock;
use crate::stores::SqlStores;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A SQLite database.
pub struct SqliteBackend {
    file: DatabaseFile,
    reading: Executor,
    /// A pool of one connection, because SQLite has one writer at a time. The queue for that
    /// connection is fair; SQLite's locks are not.
    writing: Executor,
}

impl SqliteBackend {
    /// Returns the backend of the database file at `path`, with at most `connections` read
    /// connections and one write connection.
    ///
    /// Nothing is opened yet: [`StorageBackend::migrate`] creates the file. The current tokio
    /// runtime must outlive the stores.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    #[must_use]
    pub fn open(path: PathBuf, connections: u16) -> Self {
        let file = DatabaseFile::new(path);
        Self {
            reading: Executor::new(file.clone(), connections.max(1).into()),
            writing: Executor::new(file.for_writing(), 1),
            file,
        }
    }

    /// Runs blocking work on the file.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DatabaseFile) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let file = self.file.clone();
        let work = spawn_blocking(move || work(&file));
        work.await.map_err(|ended| BackendError::Database(ended.into()))?
    }
}

#[async_trait]
impl StorageBackend for SqliteBackend {
    fn stores(&self) -> Stores {
        let (reading, writing) = (self.reading.clone(), self.writing.clone());
        let batchers = OnceLock::new();
        Arc::new(SqlStores {
            reading,
            writing,
            batchers,
            migrations: versions::<Sqlite>(&MIGRATIONS),
        })
        .into()
    }

    async fn migrate(&self) -> Result<Vec<String>, BackendError> {
        self.blocking(|file| {
            // No lock is needed if nothing is pending.
            match find_pending(file) {
                Ok(pending) if pending.is_empty() => return Ok(Vec::new()),
                Ok(_) | Err(BackendError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
            file::create_folder(file.path()).map_err(BackendError::Unavailable)?;
            let lock = OpeningLock::take(file.path()).map_err(BackendError::Unavailable)?;
            opening::create(file.path(), &lock)?;
            file.enter_with(&lock)?;
            let mut connection = file.open_patiently().map_err(BackendError::Unavailable)?;
            file.renew_id(&lock, &mut connection);
            apply_migrations(&mut connection, MIGRATIONS)
        })
        .await
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError> {
        self.blocking(find_pending).await
    }

    async fn reserve(&self) -> Result<(), BackendError> {
        self.blocking(DatabaseFile::reserve).await
    }

    async fn accept_file(&self) -> Result<Vec<PathBuf>, BackendError> {
        self.blocking(|file| backup::accept(file.path())).await
    }

    async fn back_up(&self, to: &Path) -> Result<(), BackendError> {
        let to = to.to_owned();
        self.blocking(move |file| backup::back_up(file, &to)).await
    }

    async fn restore(&self, from: &Path) -> Result<(), BackendError> {
        let from = from.to_owned();
        self.blocking(move |file| backup::restore(file, &from)).await
    }

    fn embedded_file(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

fn find_pending(file: &DatabaseFile) -> Result<Vec<String>, BackendError> {
    file.enter()?;
    if file::size(file.path()).map_err(BackendError::File)? == 0 {
        // Opening an empty file would write to it.
        return Ok(versions::<Sqlite>(&MIGRATIONS));
    }
    let connection = &mut file.open_patiently().map_err(BackendError::Unavailable)?;
    let versions = __diesel_schema_migrations::table.select(__diesel_schema_migrations::version);
    let mut applied = Vec::new();
    if has_migrations_table(connection).map_err(migration_failed)? {
        applied = versions.load(connection).map_err(migration_failed)?;
    }
    Ok(pending_migrations::<Sqlite>(&MIGRATIONS, &applied))
}
