//! The whole system: the real binary, on SQLite and on PostgreSQL, over real HTTP.
#![expect(clippy::disallowed_methods, reason = "for development only")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the code of this crate is tests"
)]

mod access_tokens;
mod audit;
mod backup;
mod bearer_passwords;
mod bodies;
mod clients;
mod clock_jumps;
mod command_line;
mod concurrency;
mod connections;
mod contract;
mod credentials;
mod damaged_keys;
mod device_files;
mod devices;
mod disk_full;
mod durability;
mod enrolment;
mod fail_over;
mod faults;
mod first_start;
mod instances;
mod journey;
mod limits;
mod load;
mod log_in;
mod master_keys;
mod migrations;
mod network;
mod operations;
mod order_service;
mod pipelining;
mod pooler;
mod protocol;
mod proxies;
mod reconciliation;
mod registering;
mod routing;
mod secrets;
mod service_manager;
mod shutdown;
mod snapshots;
mod sqlite_files;
mod stalled_bodies;
mod tls;
mod upgrades;

/// Defines two tests for each case: on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($case:ident,)+) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                super::$case(&merchant_otp_tests::Storage::sqlite());
            })+
        }

        mod postgres {
            $(#[test]
            fn $case() {
                super::$case(&merchant_otp_tests::Storage::postgres());
            })+
        }
    };
}
pub(crate) use on_both_databases;

/// The body of a valid registration.
fn device(id: &str) -> serde_json::Value {
    serde_json::json!({
        "otp_device_id": id,
        "otp_device_description": "Till at the door",
        "otp_key": merchant_otp_tests::KEY,
        "otp_algorithm": 1,
    })
}
