//! The use cases of the merchant OTP service.
//!
//! A transport holds a [`Service`]. For each request it calls [`Service::authorize`] (or
//! [`Service::authorize_management`], or a log-in) with what the client [`Presented`], and then a
//! use case with the resulting [`Grant`] (or [`ManagementGrant`], or [`LogIn`]).
//!
//! This crate contains the policy: authorization, the interpretation of store results, retries of
//! contended operations, limits of failed log-ins, and what is audited.

mod access_tokens;
mod audit;
mod audit_rate_limiter;
mod authorization;
mod caller;
mod error;
mod grant;
mod health;
pub mod instance_settings;
mod instances;
mod log_in_throttle;
mod master_keys;
pub mod operator;
mod otp_device_pages;
mod otp_devices;
mod password_hasher;
mod passwords;
mod presented;
mod rate_limiter;
mod retry;
mod service;
mod token_cache;
mod verified_passwords;

pub use access_tokens::{IssuedAccessToken, NewAccessToken};
pub use error::{Error, Refusal, StorageFailure};
pub use grant::{Grant, LogIn, ManagementGrant};
pub use instances::{InstanceChange, ListedInstance};
pub use log_in_throttle::client_network;
pub use master_keys::{KeyCheck, MasterKeyUse, Rotation, UnopenedKey};
pub use passwords::PasswordChange;
// Arguments and results of the lists of access tokens and audit events.
pub use merchant_otp_ports::{AccessTokenPage, AuditPosition, StoredAccessToken, StoredAuditEvent};
pub use otp_device_pages::OtpDevicePages;
pub use otp_devices::OtpDeviceAt;
pub use presented::Presented;
pub use service::{PasswordUse, Service};
