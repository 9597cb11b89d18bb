//! Domain types of the merchant OTP service: values, their invariants, and one-time codes.
//!
//! Every value of these types is valid: the constructors reject invalid input, so no other layer
//! checks again. The crate does no I/O, never waits, and depends on no serialization format.
//!
//! Errors name the violated rule and never contain the rejected value: it may be a secret, and the
//! caller has it already.

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
pub use instance::{
    Instance, InstanceId, InstanceIdError, InstanceName, InstanceNameError, InstanceSettings,
    InstanceSettingsError,
};
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
