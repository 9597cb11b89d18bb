//! The adapter passes the contract of storage adapters.

use merchant_otp_storage_contract::Fixture;
use merchant_otp_storage_memory::MemoryBackend;

merchant_otp_storage_contract::storage_contract!(async || {
    let backend = MemoryBackend::default();
    let second = backend.clone();
    Fixture::new(backend, move || second.clone())
});
