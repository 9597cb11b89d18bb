//! The storage adapter for production: PostgreSQL.
//!
//! Plain, synchronous diesel over the client of tokio-postgres: no libpq, so the build needs no
//! library of the system, and TLS is rustls.

mod connector;
mod tls;
mod url;

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use merchant_otp_ports::Stores;
pub use merchant_otp_storage_diesel::MigrationError;
use merchant_otp_storage_diesel::{Door, apply_migrations, pending_migrations, stores};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::connector::{PostgresConnector, PostgresSession};
pub use crate::url::PostgresUrlError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The advisory lock that migrating takes: one process migrates at a time.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"mrch-otp");

/// A database of PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    connector: PostgresConnector,
    connections: usize,
}

impl PostgresDatabase {
    /// The database at a URL, with at most so many connections.
    ///
    /// The URL is that of libpq: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE&…`,
    /// with `sslmode` (`disable`, `prefer`, `require`, `verify-full`) and `sslrootcert` among the
    /// parameters. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`PostgresUrlError`], which does not quote the URL.
    pub fn new(url: &str, connections: usize) -> Result<Self, PostgresUrlError> {
        Ok(Self { connector: PostgresConnector::new(url)?, connections })
    }

    /// Applies the pending migrations; answers their names.
    ///
    /// Several processes may migrate at once.
    ///
    /// # Errors
    ///
    /// [`MigrationError`]; a migration that fails leaves nothing behind.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn migrate(&self) -> Result<Vec<String>, MigrationError> {
        self.session(|session| {
            let failed = |error: diesel::result::Error| MigrationError::Migration(error.into());
            let encoding: String = diesel::select(current_setting("server_encoding"))
                .get_result(&mut session.connection)
                .map_err(failed)?;
            if encoding != "UTF8" {
                return Err(MigrationError::Encoding(encoding));
            }
            // Another process that migrates may take its time. The lock goes with the session.
            let lock = format!("SET lock_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})");
            session.connection.batch_execute(&lock).map_err(failed)?;
            apply_migrations(&mut session.connection, MIGRATIONS)
        })
        .await
    }

    /// The names of the migrations that are pending.
    ///
    /// # Errors
    ///
    /// [`MigrationError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, MigrationError> {
        self.session(|session| pending_migrations(&mut session.connection, MIGRATIONS)).await
    }

    /// The stores of the database, which has to be migrated.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime; the runtime has to outlive the stores.
    #[must_use]
    pub fn stores(&self) -> Stores {
        let door = Arc::new(Door::new(self.connector.clone(), self.connections, Handle::current()));
        stores(Arc::clone(&door), door)
    }

    /// Does some work in a session of its own, on a thread that may block.
    async fn session<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PostgresSession) -> Result<T, MigrationError> + Send + 'static,
    ) -> Result<T, MigrationError> {
        let connector = self.connector.clone();
        spawn_blocking(move || work(&mut connector.open().map_err(MigrationError::Unavailable)?))
            .await
            .map_err(|error| MigrationError::Migration(error.into()))?
    }
}

diesel::define_sql_function! {
    /// A setting of the session, as text.
    fn current_setting(name: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
