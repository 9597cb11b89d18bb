//! The errors of the use cases.

use std::time::Duration;

use merchant_otp_domain::{InstanceSettingsError, MasterKeyId, OtpDeviceError, Permission};
use merchant_otp_ports::{Cause, StoreError};
use thiserror::Error;
use tokio::task::JoinError;

/// An error of a use case.
#[derive(Debug, Error)]
pub enum Error {
    /// No instance has the id.
    #[error("the instance is unknown")]
    InstanceUnknown,
    /// The instance is marked as deleted.
    #[error("the instance was deleted")]
    InstanceDeleted,
    /// An instance with the same id and another name or password exists.
    #[error("another instance has the same id")]
    InstanceConflict,
    /// A deleted instance has the id. It must be purged before the id can be used again.
    #[error("a deleted instance has the same id")]
    InstancePurgeRequired,
    /// The id is the former name of the instance `admin`.
    #[error("the instance id is reserved")]
    InstanceReserved,
    /// The settings of the instance are too long.
    #[error("the settings of the instance are refused")]
    InstanceSettings(#[source] InstanceSettingsError),
    /// The credentials are not valid for the instance.
    #[error("the credentials were refused: {0}")]
    Unauthorized(Refusal),
    /// The old password is required or wrong. Nothing was changed.
    #[error("the old password is missing or wrong")]
    OldPassword,
    /// Too many log-ins failed. The credentials were not checked.
    #[error("too many failed log-ins")]
    TooManyLogIns {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// Too many passwords are waiting to be hashed. Nothing was done.
    #[error("too many passwords to work on")]
    TooManyPasswords {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// The credentials are valid but lack the permission.
    #[error("the access token lacks the permission {0}")]
    PermissionMissing(Permission),
    /// The requested scope exceeds that of the token that was used to log in.
    #[error("the scope asked for is not covered by that of the access token")]
    ScopeExceeded,
    /// The instance has as many valid access tokens as it may have.
    #[error("the instance has {limit} access tokens; revoke those that are not used")]
    TooManyAccessTokens {
        /// The maximum number.
        limit: u32,
    },
    /// The instance has no access token with the serial.
    #[error("the access token is unknown")]
    AccessTokenUnknown,
    /// A device with the same id and other details exists.
    #[error("another OTP device has the same id")]
    OtpDeviceConflict,
    /// The instance has no device with the id.
    #[error("the OTP device is unknown")]
    OtpDeviceUnknown,
    /// The device was changed by others at each attempt to change it. Nothing was changed.
    #[error("the OTP device was changed at every attempt")]
    OtpDeviceContended,
    /// The changed device would violate a rule.
    #[error("the change is not allowed")]
    OtpDeviceInvalid(#[source] OtpDeviceError),
    /// The operating system provided no random bits.
    #[error("the operating system provided no random bits")]
    NoRandomness(#[source] getrandom::Error),
    /// A key could not be sealed.
    #[error("sealing a key failed")]
    KeyNotSealed(#[source] Cause),
    /// A sealed key cannot be opened: it was changed, it belongs to another device, or its master
    /// key is missing.
    #[error("a sealed key does not open")]
    KeyNotOpened(#[source] Cause),
    /// A master key that sealed keys in the database is missing.
    #[error("the master key {0}, which sealed keys in this database, is not there")]
    MasterKeyMissing(MasterKeyId),
    /// Hashing a password panicked or was cancelled.
    #[error("the work on a password stopped")]
    PasswordWork(#[source] JoinError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageFailure),
}

/// A failure of the storage.
#[derive(Debug, Error)]
pub enum StorageFailure {
    /// The database cannot be reached. Nothing was done.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// Too many requests wait for the database. Nothing was done.
    #[error("too many requests wait for the database")]
    Busy(#[source] Cause),
    /// Reading failed. Nothing was changed.
    #[error("reading from the database failed")]
    Read(#[source] Cause),
    /// Writing failed. Nothing was changed, unless the connection broke during the commit.
    #[error("writing to the database failed")]
    Write(#[source] Cause),
    /// Concurrent transactions conflicted at every attempt. Nothing was changed.
    #[error("the database was contended")]
    Contention(#[source] Cause),
    /// The database contains invalid data.
    #[error("the database holds invalid data")]
    Corrupt(#[source] Cause),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Storage(match error {
            StoreError::Unavailable(cause) => StorageFailure::Unavailable(cause),
            StoreError::Busy(cause) => StorageFailure::Busy(cause),
            StoreError::Read(cause) => StorageFailure::Read(cause),
            StoreError::Write(cause) => StorageFailure::Write(cause),
            StoreError::Contention(cause) => StorageFailure::Contention(cause),
            StoreError::Corrupt(cause) => StorageFailure::Corrupt(cause),
        })
    }
}

/// The reason why credentials were refused, for the log. Clients do not see it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// There are no credentials, or they are malformed.
    #[error("none that can be read")]
    Missing,
    /// The instance has no such token: it is unknown, revoked, or belongs to another instance.
    #[error("unknown to the instance")]
    Unknown,
    /// The token has expired.
    #[error("expired")]
    Expired,
    /// The name or the password is not that of the instance, or the instance has no password.
    #[error("wrong name or password")]
    Password,
}
