//! Cases of the health of a store.

use crate::Fixture;

/// A new database has the schema that is needed, and answers.
pub async fn a_database_that_works_is_healthy(fixture: &Fixture) {
    let stores = &fixture.stores();
    stores.health.check().await.unwrap();
}
