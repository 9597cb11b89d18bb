//! Runs the storage contract on SQLite, with a database file per case.
#![expect(clippy::unwrap_used, reason = "tests")]

use merchant_otp_ports::StorageBackend;
use merchant_otp_storage_contract::Fixture;
use merchant_otp_storage_sqlite::SqliteBackend;

merchant_otp_storage_contract::storage_contract!(async || {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contract.db");
    let open = move || SqliteBackend::open(path.clone(), 4);
    let backend = open();
    backend.migrate().await.unwrap();
    Fixture::with_guard(backend, open, folder)
});
