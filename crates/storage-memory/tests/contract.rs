//! Runs the storage contract on the in-memory adapter.

use merchant_otp_storage_contract::Fixture;
use merchant_otp_storage_memory::MemoryBackend;

merchant_otp_storage_contract::storage_contract!(async || {
    let backend = MemoryBackend::default();
    let second = backend.clone();
    Fixture::new(backend, move || second.clone())
});
