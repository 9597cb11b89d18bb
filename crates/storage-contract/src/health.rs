//! Cases of the health of a store.

use merchant_otp_ports::Stores;

/// A new database has the schema that is needed, and answers.
pub async fn a_database_that_works_is_healthy(stores: &Stores) {
    stores.health.check().await.unwrap();
}
