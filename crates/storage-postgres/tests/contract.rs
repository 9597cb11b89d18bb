//! Runs the storage contract on PostgreSQL, with a database per case.
#![expect(clippy::unwrap_used, reason = "tests")]

use merchant_otp_ports::StorageBackend;
use merchant_otp_storage_contract::Fixture;
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
use merchant_otp_throwaway_postgres::Database;

merchant_otp_storage_contract::storage_contract!(async || {
    let database = Database::create();
    let url = database.url();
    let settings = PostgresSettings { connections: 8, sets: 2 };
    let open = move || PostgresBackend::open(&url, settings).unwrap();
    let backend = open();
    backend.migrate().await.unwrap();
    Fixture::with_guard(backend, open, database)
});
