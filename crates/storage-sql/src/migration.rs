//! Running migrations.

use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use merchant_otp_ports::{BackendError, Cause};

/// The table in which diesel keeps the versions of the applied migrations.
pub const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";

/// Applies all pending migrations; returns their versions.
///
/// # Errors
///
/// [`BackendError::Migration`].
pub fn apply_migrations<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Vec<String>, BackendError> {
    let applied = connection.run_pending_migrations(migrations).map_err(migration_failed)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// The versions of migrations, in their order.
///
/// # Panics
///
/// If the migrations that were compiled in are none, which their compilation excludes.
#[must_use]
pub fn versions<DB: Backend>(migrations: &EmbeddedMigrations) -> Vec<String> {
    let migrations = MigrationSource::<DB>::migrations(migrations);
    #[expect(clippy::expect_used, reason = "they were checked when they were compiled in")]
    let migrations = migrations.expect("the migrations");
    let mut versions: Vec<_> =
        migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort_unstable();
    versions
}

/// The versions of the migrations that are not among those applied.
///
/// diesel's own function creates its table if it is missing; this works for a role that may not
/// change the schema, too.
#[must_use]
pub fn pending_migrations<DB: Backend>(
    migrations: &EmbeddedMigrations,
    applied: &[String],
) -> Vec<String> {
    let mut versions = versions::<DB>(migrations);
    versions.retain(|version| !applied.contains(version));
    versions
}

/// A step of migrating that failed.
pub fn migration_failed(error: impl Into<Cause>) -> BackendError {
    BackendError::Migration(error.into())
}
