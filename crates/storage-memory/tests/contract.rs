//! The reference adapter passes the contract of storage adapters.

use merchant_otp_storage_contract::Fixture;

merchant_otp_storage_contract::storage_contract!(async || Fixture::new(
    merchant_otp_storage_memory::open()
));
