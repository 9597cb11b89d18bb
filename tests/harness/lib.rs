//! Helpers of the system tests: they start the real binary on a database of its own, and talk to it
//! over HTTP.
#![expect(clippy::disallowed_methods, reason = "for development only")]
#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the code of this crate is tests"
)]

mod binary;
mod client;
mod disk;
mod network;
mod schema;
mod server;
mod shop;
mod storage;

pub use binary::{Output, binary, command, managed};
pub use client::{RawConnection, Reply};
pub use disk::SmallDisk;
pub use merchant_otp_taler_protocol::ErrorCode;
pub use network::Network;
pub use schema::Migration;
pub use server::{Server, basic};
pub use shop::{
    ALL, AUTH, DEVICES, KEY, TOKEN, TOKENS, UNKNOWN_TOKEN, added_devices, days_between, fails,
    json, listed_devices, now, shop, succeeds, token, trail, wait_until,
};
pub use storage::{Storage, StorageKind};
