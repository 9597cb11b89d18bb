//! Running migrations.

use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel_migrations::MigrationHarness;
use merchant_otp_ports::BackendError;

/// The table in which diesel keeps the versions of the applied migrations.
pub const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";

/// Applies all pending migrations; returns their versions.
///
/// # Errors
///
/// [`BackendError::Migration`].
pub fn apply_migrations<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migrations: impl MigrationSource<DB>,
) -> Result<Vec<String>, BackendError> {
    let applied = connection.run_pending_migrations(migrations).map_err(migration_failed)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// The versions of the migrations of a source, in their order.
///
/// # Errors
///
/// [`BackendError::Migration`].
pub fn migration_versions<DB: Backend, M: MigrationSource<DB>>(
    migrations: &M,
) -> Result<Vec<String>, BackendError> {
    let migrations = migrations.migrations().map_err(migration_failed)?;
    let mut versions: Vec<_> =
        migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort_unstable();
    Ok(versions)
}

/// The versions of the migrations that are not among those applied.
///
/// diesel's own function creates its table if it is missing; this works for a role that may not change
/// the schema, too.
///
/// # Errors
///
/// [`BackendError::Migration`].
pub fn pending_migrations<DB: Backend, M: MigrationSource<DB>>(
    applied: &[String],
    migrations: &M,
) -> Result<Vec<String>, BackendError> {
    let mut versions = migration_versions(migrations)?;
    versions.retain(|version| !applied.contains(version));
    Ok(versions)
}

/// A step of migrating that failed.
pub fn migration_failed(error: impl Into<merchant_otp_ports::Cause>) -> BackendError {
    BackendError::Migration(error.into())
}
