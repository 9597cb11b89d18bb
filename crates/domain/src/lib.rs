//! Values, invariants and arithmetic of the merchant OTP service.
//!
//! A value of a type of this crate is valid: the constructors refuse everything else, so no layer
//! above checks again. Nothing here does I/O, waits, or knows a serialization format.
//!
//! Errors name the rule that was broken and never quote the value that broke it: the value may be a
//! secret, and the caller knows it anyway.

mod access_token;
mod amount;
mod audit;
mod instance;
mod otp_algorithm;
mod otp_codes;
mod otp_device;
mod otp_key;
mod password;
mod scope;
mod sealed;
mod timestamp;

pub use access_token::{
    AccessToken, AccessTokenDescription, AccessTokenDescriptionError, AccessTokenDigest,
    AccessTokenError, AccessTokenInfo, AccessTokenSerial, AccessTokenSerialError,
};
pub use amount::{Amount, AmountError};
pub use audit::{Actor, AuditEvent, AuditEventError, Operation, Outcome};
pub use instance::{Instance, InstanceId, InstanceIdError, InstanceName, InstanceNameError};
pub use otp_algorithm::{OtpAlgorithm, OtpAlgorithmError};
pub use otp_codes::{OtpCode, OtpCodes};
pub use otp_device::{
    OtpCounter, OtpCounterError, OtpDevice, OtpDeviceChange, OtpDeviceDescription,
    OtpDeviceDescriptionError, OtpDeviceError, OtpDeviceId, OtpDeviceIdError, OtpDeviceSummary,
};
pub use otp_key::{OtpKey, OtpKeyError};
pub use password::{Password, PasswordError, PasswordHash, PasswordHashError};
pub use scope::{Permission, Scope, TokenScope, TokenScopeError};
pub use sealed::{MasterKeyId, SealedOtpDevice, SealedOtpKey, SealedOtpKeyError};
pub use timestamp::{Expiration, Lifetime, Timestamp, TimestampError};
