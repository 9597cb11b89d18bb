//! The storage adapter for production: PostgreSQL.
//!
//! diesel over the client of tokio-postgres: no libpq, so the build needs no library of the system, and
//! TLS is rustls. What many ask for at once is asynchronous (`batches`); the rest is plain, synchronous
//! diesel, a closure over a connection.

mod batches;
mod connector;
mod lane_session;
mod runtime;
mod statements;
mod tls;
mod url;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use merchant_otp_ports::Stores;
pub use merchant_otp_storage_diesel::MigrationError;
use merchant_otp_storage_diesel::schema::__diesel_schema_migrations;
use merchant_otp_storage_diesel::{
    Door, MIGRATIONS_TABLE, apply_migrations, migration_versions, pending_migrations, stores,
};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::connector::{PostgresConnector, PostgresSession};
pub use crate::url::PostgresUrlError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The advisory lock that migrating takes: one process migrates at a time.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"mrch-otp");

/// How many batches of lookups are read at a time.
const LOOKUPS: u16 = 2;

/// How the stores go about their work.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// How many batches of devices are written at a time.
    pub writers: u16,
    /// For how long an access token that was found need not be looked up again; zero for always.
    ///
    /// One that is taken away by the same process is no longer found at once nevertheless.
    pub token_cache: Duration,
}

impl Default for StoreSettings {
    /// Two writers, and nothing remembered.
    fn default() -> Self {
        Self { writers: 2, token_cache: Duration::ZERO }
    }
}

/// A database of PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    connector: PostgresConnector,
    connections: u16,
    settings: StoreSettings,
}

impl PostgresDatabase {
    /// How many connections it takes: one for lookups, one for devices that are stored, one for the rest.
    pub const FEWEST_CONNECTIONS: u16 = 3;

    /// The database at a URL, with at most so many connections, [`Self::FEWEST_CONNECTIONS`] at least.
    ///
    /// The URL is that of libpq: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE&…`,
    /// with `sslmode` (`disable`, `prefer`, `require`, `verify-full`) and `sslrootcert` among the
    /// parameters. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`PostgresUrlError`], which does not quote the URL.
    pub fn new(
        url: &str,
        connections: u16,
        settings: StoreSettings,
    ) -> Result<Self, PostgresUrlError> {
        Ok(Self { connector: PostgresConnector::new(url)?, connections, settings })
    }

    /// Applies the pending migrations; answers their versions.
    ///
    /// Where none are pending nothing is written, so a role that may not change the schema will do.
    /// Several processes may migrate at once: one does, and the others wait for it.
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
            if pending(session)?.is_empty() {
                return Ok(Vec::new());
            }
            let encoding = diesel::select(current_setting("server_encoding"))
                .get_result::<String>(&mut session.connection)
                .map_err(MigrationError::failed)?;
            if encoding != "UTF8" {
                return Err(MigrationError::Encoding(encoding));
            }
            // Migrations may take their time, also those of another process that we wait for. The
            // lock goes with the session.
            let lock = format!(
                "SET lock_timeout = 0; SET statement_timeout = 0;
                 SELECT pg_advisory_lock({MIGRATION_LOCK})"
            );
            session.connection.batch_execute(&lock).map_err(MigrationError::failed)?;
            apply_migrations(&mut session.connection, MIGRATIONS)
        })
        .await
    }

    /// The versions of the migrations that are pending; changes nothing.
    ///
    /// # Errors
    ///
    /// [`MigrationError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, MigrationError> {
        self.session(pending).await
    }

    /// The stores of the database, which has to be migrated.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime; the runtime has to outlive the stores.
    #[must_use]
    pub fn stores(&self) -> Stores {
        let connections = self.connections.max(Self::FEWEST_CONNECTIONS);
        let readers = LOOKUPS.min(connections - 2);
        let writers = self.settings.writers.clamp(1, connections - 1 - readers);
        let lanes = batches::lanes(&self.connector, readers, writers);
        let others = connections - readers - writers;
        let door = Arc::new(Door::new(self.connector.clone(), others, Handle::current()));
        stores(Arc::clone(&door), door, lanes, versions(), self.settings.token_cache)
    }

    /// Does some work in a session of its own, on a thread that may block.
    async fn session<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PostgresSession) -> Result<T, MigrationError> + Send + 'static,
    ) -> Result<T, MigrationError> {
        let connector = self.connector.clone();
        spawn_blocking(move || work(&mut connector.open().map_err(MigrationError::Unavailable)?))
            .await
            .map_err(MigrationError::failed)?
    }
}

fn pending(session: &mut PostgresSession) -> Result<Vec<String>, MigrationError> {
    let table = sql::<Nullable<Text>>(&format!("SELECT to_regclass('{MIGRATIONS_TABLE}')::text"))
        .get_result::<Option<String>>(&mut session.connection)
        .map_err(failed)?;
    let applied = match table {
        None => Vec::new(),
        Some(_) => __diesel_schema_migrations::table
            .select(__diesel_schema_migrations::version)
            .load(&mut session.connection)
            .map_err(failed)?,
    };
    pending_migrations::<Pg, _>(&applied, &MIGRATIONS)
}

/// A statement that failed: perhaps for want of a session of its own.
fn failed(error: diesel::result::Error) -> MigrationError {
    // The texts of 26000 and 42P05: diesel does not tell the codes.
    let text = error.to_string();
    let prepared = text.starts_with("prepared statement ");
    if prepared && (text.ends_with(" does not exist") || text.ends_with(" already exists")) {
        return MigrationError::Pooled(error.into());
    }
    MigrationError::failed(error)
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// A setting of the session, as text.
    fn current_setting(name: Text) -> Text;
}

/// The versions of all migrations.
fn versions() -> Vec<String> {
    #[expect(clippy::expect_used, reason = "they are compiled in")]
    migration_versions::<Pg, _>(&MIGRATIONS).expect("the migrations")
}
