//! Cases of the health check.

use crate::Fixture;

/// The check succeeds on a new, migrated database.
pub async fn a_database_that_works_is_healthy(fixture: &Fixture) {
    let stores = &fixture.stores();
    stores.health.check().await.unwrap();
}
