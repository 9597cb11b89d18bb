//! The use cases of the merchant OTP service.
//!
//! A transport holds one [`Service`] and calls it: first [`Service::authorize`] (or
//! [`Service::authorize_management`], or a log-in) with what the client presented, then a use case with
//! the [`Grant`] (or [`ManagementGrant`], or [`LogIn`]) it got. The policy lives here: who may do what,
//! what a store's finding means, how often a contended unit of work is tried again, how log-ins that
//! fail are slowed, and what the audit trail is told.

mod access_tokens;
mod audit;
mod authorization;
mod error;
mod health;
mod instances;
mod log_in_throttle;
mod master_keys;
mod otp_devices;
mod pace;
mod passwords;
mod retry;
mod service;
mod token_cache;

pub use access_tokens::{IssuedAccessToken, LogIn, NewAccessToken};
pub use authorization::{Grant, ManagementGrant};
pub use error::{Error, Refusal, StorageFailure};
pub use instances::ListedInstance;
pub use master_keys::{MasterKeyUse, Rotation};
// What lists of access tokens and of audit events are asked for and answer.
pub use merchant_otp_ports::{AccessTokenPage, AuditPosition, StoredAccessToken, StoredAuditEvent};
pub use otp_devices::OtpDeviceAt;
pub use service::Service;
