//! The storage adapter for production: PostgreSQL.
//!
//! diesel runs on the client of tokio-postgres instead of libpq, so the build needs no system
//! library. TLS is provided by rustls.

mod batched;
mod connect;
mod executor;
mod statements;
mod stores;
mod tls;
mod url;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use merchant_otp_ports::{BackendError, StorageBackend, Stores};
use merchant_otp_storage_sql::migration::{
    MIGRATIONS_TABLE, apply_migrations, migration_failed, pending_migrations, versions,
};
use merchant_otp_storage_sql::schema::__diesel_schema_migrations;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::connect::Server;
use crate::executor::Executor;
use crate::stores::SqlStores;
pub use crate::url::PostgresUrlError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The advisory lock of migrations, which lets one process migrate at a time.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"mrch-otp");

/// The connections of a set of stores: one for look-ups and one for writes.
const CONNECTIONS_PER_SET: u16 = 2;

/// A PostgreSQL database.
///
/// Each set of stores has two connections on the runtime of its thread, one for look-ups and one
/// for insertions of devices. All other operations share one pool on the runtime on which the
/// backend was opened. That runtime must outlive the stores.
pub struct PostgresBackend {
    server: Server,
    shared: Executor,
    sets: Arc<Semaphore>,
}

/// The settings of a [`PostgresBackend`].
#[derive(Clone, Copy, Debug)]
pub struct PostgresSettings {
    /// The maximum number of connections, at least [`PostgresBackend::MIN_CONNECTIONS`].
    pub connections: u16,
    /// The number of sets of stores with their own connections, 1 to [`PostgresBackend::max_sets`]:
    /// one per serving thread. Further sets use the shared pool.
    pub sets: u16,
}

impl PostgresBackend {
    /// The minimum number of connections: two for one set, and one for everything else.
    pub const MIN_CONNECTIONS: u16 = CONNECTIONS_PER_SET + 1;

    /// The maximum number of sets of stores with their own connections, which leaves one connection
    /// for everything else.
    #[must_use]
    pub const fn max_sets(connections: u16) -> u16 {
        connections.saturating_sub(1) / CONNECTIONS_PER_SET
    }

    /// Returns the backend of the database at a URL. Nothing is connected yet.
    ///
    /// The URL has libpq's form, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE&…`.
    /// Its parameters include `sslmode` (`disable`, `prefer`, `require`, `verify-full`) and
    /// `sslrootcert`.
    ///
    /// # Errors
    ///
    /// [`PostgresUrlError`], which does not quote the URL.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn open(url: &str, settings: PostgresSettings) -> Result<Self, PostgresUrlError> {
        let PostgresSettings { connections, sets } = settings;
        let connections = connections.max(Self::MIN_CONNECTIONS);
        let sets = sets.clamp(1, Self::max_sets(connections));
        let server = Server::new(url)?;
        Ok(Self {
            shared: Executor::new(&server, connections - CONNECTIONS_PER_SET * sets, ""),
            server,
            sets: Arc::new(Semaphore::new(sets.into())),
        })
    }
}

#[async_trait]
impl StorageBackend for PostgresBackend {
    fn stores(&self) -> Stores {
        let stores = SqlStores {
            server: self.server.clone(),
            reading: self.shared.clone(),
            writing: self.shared.clone(),
            sets: self.sets.clone(),
            batchers: OnceLock::new(),
            migrations: versions::<Pg>(&MIGRATIONS),
        };
        Arc::new(stores).into()
    }

    async fn migrate(&self) -> Result<Vec<String>, BackendError> {
        let mut connection = connect(&self.server).await?;
        // Write nothing if no migrations are pending, so that a role that may not change the schema
        // can use the database.
        if pending(&mut connection).await?.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = sql::<Text>("SHOW server_encoding").get_result::<String>(&mut connection);
        let encoding = encoding.await.map_err(migration_failed)?;
        if encoding != "UTF8" {
            return Err(BackendError::Unsuitable(format!(
                "the database has the encoding {encoding}; create it with ENCODING 'UTF8' \
                 TEMPLATE template0"
            )));
        }
        // Migrations may take long, including those of another process that this one waits for. The
        // lock is released with the session.
        let lock = format!(
            "SET lock_timeout = 0; SET statement_timeout = 0;
             SELECT pg_advisory_lock({MIGRATION_LOCK})"
        );
        connection.batch_execute(&lock).await.map_err(migration_failed)?;
        let migrate =
            move || apply_migrations(&mut AsyncMigrationHarness::new(connection), MIGRATIONS);
        spawn_blocking(migrate).await.map_err(migration_failed)?
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError> {
        pending(&mut connect(&self.server).await?).await
    }

    async fn reserve(&self) -> Result<(), BackendError> {
        Ok(())
    }

    async fn accept_file(&self) -> Result<Vec<PathBuf>, BackendError> {
        Err(BackendError::Unsupported("`merchant-otp migrate` without it"))
    }

    async fn back_up(&self, _to: &Path) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("pg_dump"))
    }

    async fn restore(&self, _from: &Path) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("pg_restore"))
    }

    fn embedded_file(&self) -> Option<&Path> {
        None
    }
}

/// Opens a separate connection for migrations.
async fn connect(server: &Server) -> Result<AsyncPgConnection, BackendError> {
    server.connect("", &Handle::current()).await.map_err(BackendError::Unavailable)
}

async fn pending(connection: &mut AsyncPgConnection) -> Result<Vec<String>, BackendError> {
    let table = sql::<Nullable<Text>>(&format!("SELECT to_regclass('{MIGRATIONS_TABLE}')::text"))
        .get_result::<Option<String>>(connection)
        .await
        .map_err(failed)?;
    let applied = match table {
        None => Vec::new(),
        Some(_) => __diesel_schema_migrations::table
            .select(__diesel_schema_migrations::version)
            .load(connection)
            .await
            .map_err(failed)?,
    };
    Ok(pending_migrations::<Pg>(&MIGRATIONS, &applied))
}

/// Maps the error of a failed statement, and recognises a connection pooler in the wrong mode.
fn failed(error: diesel::result::Error) -> BackendError {
    // The texts of 26000 and 42P05, because diesel does not expose the codes.
    let text = error.to_string();
    let prepared = text.starts_with("prepared statement ");
    if prepared && (text.ends_with(" does not exist") || text.ends_with(" already exists")) {
        return BackendError::Unsuitable(format!(
            "a connection pooler gives one session's statements to another: it has to be in session \
             mode ({text})"
        ));
    }
    migration_failed(error)
}
