use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel_migrations::MigrationHarness;
use merchant_otp_ports::Cause;
use thiserror::Error;

/// The table in which diesel keeps which migrations are applied, by their versions.
pub const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";

/// Why the schema could not be brought, or found, up to date.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// There is no connection to the database.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The database does not store texts in UTF-8.
    #[error("the database has the encoding {0}; create it with ENCODING 'UTF8' TEMPLATE template0")]
    Encoding(String),
    /// A session lost what it had prepared, or found what another one had.
    #[error(
        "a connection pooler gives one session's statements to another: it has to be in session mode"
    )]
    Pooled(#[source] Cause),
    /// A migration failed; it and all after it are not applied.
    #[error("migrating the database failed")]
    Migration(#[source] Cause),
}

impl MigrationError {
    /// A step of migrating that failed.
    pub fn failed(error: impl Into<Cause>) -> Self {
        Self::Migration(error.into())
    }
}

/// Applies all migrations that are pending; answers their versions.
///
/// # Errors
///
/// [`MigrationError::Migration`].
pub fn apply_migrations<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migrations: impl MigrationSource<DB>,
) -> Result<Vec<String>, MigrationError> {
    let applied =
        connection.run_pending_migrations(migrations).map_err(MigrationError::Migration)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// The versions of the migrations of a source.
///
/// # Errors
///
/// [`MigrationError::Migration`].
pub fn migration_versions<DB: Backend, M: MigrationSource<DB>>(
    migrations: &M,
) -> Result<Vec<String>, MigrationError> {
    let migrations = migrations.migrations().map_err(MigrationError::Migration)?;
    let mut all: Vec<_> =
        migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    all.sort_unstable();
    Ok(all)
}

/// The versions of the migrations that are not among those applied.
///
/// diesel's own question makes its table when it is missing; a role that may not change the schema has
/// to be able to ask too.
///
/// # Errors
///
/// [`MigrationError::Migration`].
pub fn pending_migrations<DB: Backend, M: MigrationSource<DB>>(
    applied: &[String],
    migrations: &M,
) -> Result<Vec<String>, MigrationError> {
    let mut all = migration_versions(migrations)?;
    all.retain(|version| !applied.contains(version));
    Ok(all)
}
