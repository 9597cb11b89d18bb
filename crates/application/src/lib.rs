//! The use cases of the merchant OTP service.
//!
//! A transport holds one [`Service`] and calls it: first [`Service::authorize`] with what the client
//! presented, then a use case with the [`Grant`] it got. The policy lives here: who may do what, what
//! a store's finding means, how often a contended unit of work is tried again.

mod access_tokens;
mod authorization;
mod error;
mod instances;
mod otp_devices;
mod retry;
mod service;

pub use access_tokens::{IssuedAccessToken, NewAccessToken};
pub use authorization::Grant;
pub use error::{Error, Refusal, StorageFailure};
pub use otp_devices::OtpDeviceAt;
pub use service::Service;
