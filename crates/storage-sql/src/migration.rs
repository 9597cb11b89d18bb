//! Running migrations.

use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use merchant_otp_ports::{BackendError, Cause};

/// The table in which diesel stores the versions of the applied migrations.
pub const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";

/// Applies all pending migrations and returns their versions.
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

/// Returns the versions of the migrations, in order.
///
/// # Panics
///
/// If the embedded migrations are invalid, which is checked when they are compiled in.
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

/// Returns the versions of the migrations that are not among those applied.
///
/// Unlike diesel's own function, this does not create the migrations table, so it also works for a
/// role that may not change the schema.
#[must_use]
pub fn pending_migrations<DB: Backend>(
    migrations: &EmbeddedMigrations,
    applied: &[String],
) -> Vec<String> {
    let mut versions = versions::<DB>(migrations);
    versions.retain(|version| !applied.contains(version));
    versions
}

/// Wraps the error of a failed migration.
pub fn migration_failed(error: impl Into<Cause>) -> BackendError {
    BackendError::Migration(error.into())
}
