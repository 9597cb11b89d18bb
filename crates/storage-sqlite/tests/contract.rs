//! The adapter passes the contract of storage adapters, on a file.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use merchant_otp_storage_contract::Fixture;
use merchant_otp_storage_sqlite::SqliteDatabase;

merchant_otp_storage_contract::storage_contract!(async || {
    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::new(folder.path().join("contract.db"), 4, Duration::ZERO);
    database.migrate().await.unwrap();
    Fixture::with_guard(database.stores(), folder)
});
