use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel_migrations::MigrationHarness;
use merchant_otp_ports::Cause;
use thiserror::Error;

/// Why the schema could not be brought, or found, up to date.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// There is no connection to the database.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The database does not store texts in UTF-8.
    #[error("the database has the encoding {0}; create it with ENCODING 'UTF8' TEMPLATE template0")]
    Encoding(String),
    /// A migration failed; it and all after it are not applied.
    #[error("migrating the database failed")]
    Migration(#[source] Cause),
}

/// Applies all migrations that are pending; answers their names.
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

/// The names of the migrations that are pending.
///
/// # Errors
///
/// [`MigrationError::Migration`].
pub fn pending_migrations<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migrations: impl MigrationSource<DB>,
) -> Result<Vec<String>, MigrationError> {
    let pending = connection.pending_migrations(migrations).map_err(MigrationError::Migration)?;
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}
