//! The adapter passes the contract of storage adapters, on a database of its own for each case.
#![expect(clippy::unwrap_used, reason = "tests")]

use merchant_otp_storage_contract::Fixture;
use merchant_otp_storage_postgres::{PostgresDatabase, StoreSettings};
use merchant_otp_throwaway_postgres::Database;

merchant_otp_storage_contract::storage_contract!(async || {
    let database = Database::create();
    let adapter = PostgresDatabase::new(&database.url(), 8, StoreSettings::default()).unwrap();
    adapter.migrate().await.unwrap();
    Fixture::with_guard(adapter.stores(), database)
});
