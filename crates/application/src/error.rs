//! The errors of the use cases.

use std::time::Duration;

use merchant_otp_domain::{MasterKeyId, OtpDeviceError, Permission};
use merchant_otp_ports::{Cause, StoreError};
use thiserror::Error;
use tokio::task::JoinError;

/// Why a use case did not do what was asked.
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
    /// A deleted instance has the id, and has to be purged before another one may have it.
    #[error("a deleted instance has the same id")]
    InstancePurgeRequired,
    /// The id is the former name of the instance `admin`.
    #[error("the instance id is reserved")]
    InstanceReserved,
    /// The credentials are not good for the instance.
    #[error("the credentials were refused: {0}")]
    Unauthorized(Refusal),
    /// Log-ins failed too often: the credentials were not looked at.
    #[error("too many failed log-ins")]
    TooManyLogIns {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// More passwords came than can be worked on: nothing was done.
    #[error("too many passwords to work on")]
    TooManyPasswords {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// The credentials are good, and do not allow this.
    #[error("the access token lacks the permission {0}")]
    PermissionMissing(Permission),
    /// A token asked for a token that may do more than it.
    #[error("the scope asked for is not covered by that of the access token")]
    ScopeExceeded,
    /// The instance has no access token with the serial.
    #[error("the access token is unknown")]
    AccessTokenUnknown,
    /// A device with the same id and other details exists.
    #[error("another OTP device has the same id")]
    OtpDeviceConflict,
    /// The instance has no device with the id.
    #[error("the OTP device is unknown")]
    OtpDeviceUnknown,
    /// The change would make a device that breaks a rule.
    #[error("the change is not allowed")]
    OtpDeviceInvalid(#[source] OtpDeviceError),
    /// The operating system gave no random bits.
    #[error("no random bits")]
    NoRandomness(#[source] getrandom::Error),
    /// A key could not be sealed.
    #[error("sealing a key failed")]
    KeyNotSealed(#[source] Cause),
    /// A sealed key does not open: it was changed, is in the wrong place, or its master key is
    /// gone.
    #[error("a sealed key does not open")]
    KeyNotOpened(#[source] Cause),
    /// A master key that sealed something in the database is not there.
    #[error("the master key {0}, which sealed keys in this database, is not there")]
    MasterKeyMissing(MasterKeyId),
    /// Work on a password did not come to its end.
    #[error("the work on a password stopped")]
    PasswordWork(#[source] JoinError),
    /// The storage did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageFailure),
}

/// Why the storage did not do its part.
#[derive(Debug, Error)]
pub enum StorageFailure {
    /// It cannot be reached; nothing was done.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// Too many requests wait for it; nothing was done.
    #[error("too many requests wait for the database")]
    Busy(#[source] Cause),
    /// Reading failed; nothing was changed.
    #[error("reading from the database failed")]
    Read(#[source] Cause),
    /// Writing failed; nothing was changed, unless the connection broke on the way.
    #[error("writing to the database failed")]
    Write(#[source] Cause),
    /// Concurrent transactions conflicted at every attempt; nothing was changed.
    #[error("the database was contended")]
    Contention(#[source] Cause),
    /// It holds invalid data.
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

/// Why credentials are not good: for the log. A client learns only that they are not.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// There are none, or they cannot be read.
    #[error("none that can be read")]
    Missing,
    /// The instance has no such token: unknown, revoked, or another instance's.
    #[error("unknown to the instance")]
    Unknown,
    /// The token was good once.
    #[error("expired")]
    Expired,
    /// The name or the password is not that of the instance, or the instance has no password.
    #[error("wrong name or password")]
    Password,
}
