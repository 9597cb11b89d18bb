//! Answers to errors.

use std::borrow::Cow;
use std::time::Duration;

use merchant_otp_application::{Error, StorageFailure};
use merchant_otp_domain::{Operation, OtpDeviceError};

use crate::{ErrorClass, ErrorCode};

/// How long a client should wait before it retries a request to a busy service.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// The answer of the service to an error.
///
/// ```
/// use merchant_otp_taler_protocol::{ErrorAnswer, ErrorCode};
///
/// let answer = ErrorAnswer::from(ErrorCode::GenericEndpointUnknown);
/// assert_eq!((answer.detail, answer.retry_after), (None, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The code of Taler's registry.
    pub code: ErrorCode,
    /// The kind of error; one of [`ErrorCode::classes`] of the code.
    pub class: ErrorClass,
    /// The description for people: that of the code, or a more specific one.
    pub hint: Cow<'static, str>,
    /// What is wrong, if the client can fix it. Never contains a secret, and nothing about a
    /// failure of the service.
    pub detail: Option<String>,
    /// How long to wait before a retry, if a retry may succeed.
    pub retry_after: Option<Duration>,
}

impl From<ErrorCode> for ErrorAnswer {
    /// The code with its default class and without details.
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            class: code.class(),
            hint: code.hint().into(),
            detail: None,
            retry_after: None,
        }
    }
}

impl ErrorAnswer {
    /// The answer to a request that the client did not send in time.
    #[must_use]
    pub fn slow(detail: String) -> Self {
        let code = ErrorCode::GenericJsonInvalid;
        Self { class: ErrorClass::Slow, detail: Some(detail), ..code.into() }
    }

    /// The answer to a client that wants to create an instance and is not `admin`.
    #[must_use]
    pub fn no_self_provisioning() -> Self {
        let detail = "instances are created by `admin`, with a token that may manage instances";
        let code = ErrorCode::MerchantGenericUnauthorized;
        Self { class: ErrorClass::Forbidden, detail: Some(detail.to_owned()), ..code.into() }
    }

    /// The answer to a body whose content coding the service does not support.
    #[must_use]
    pub fn unsupported(detail: String) -> Self {
        let code = ErrorCode::GenericCompressionInvalid;
        Self { class: ErrorClass::Unsupported, detail: Some(detail), ..code.into() }
    }

    /// The answer to a request that the service did not answer in time. Its operation may complete.
    #[must_use]
    pub fn overdue() -> Self {
        // The delay is caused by the database.
        Self::busy(ErrorCode::GenericDbStartFailed, ErrorClass::Busy, BUSY_RETRY)
    }

    /// The answer to an error of the application during an operation: the audited operation, or
    /// [`Operation::Use`] for everything else, including authorization.
    #[must_use]
    pub fn of(error: &Error, operation: Operation) -> Self {
        use ErrorCode as Code;
        let code = match error {
            Error::InstanceUnknown => Code::MerchantGenericInstanceUnknown,
            Error::InstanceDeleted => deleted(operation),
            Error::InstanceConflict | Error::InstanceReserved => {
                Code::MerchantPrivatePostInstancesAlreadyExists
            }
            Error::InstancePurgeRequired => Code::MerchantPrivatePostInstancesPurgeRequired,
            Error::InstanceSettings(rule) => {
                return Self { detail: Some(rule.to_string()), ..Code::GenericJsonInvalid.into() };
            }
            Error::OldPassword => Code::MerchantPrivatePostInstanceAuthBadOldPassword,
            Error::Unauthorized(_) => Code::MerchantGenericUnauthorized,
            // The registry has no code for this.
            Error::TooManyLogIns { retry_after } | Error::TooManyPasswords { retry_after } => {
                let detail = "too many attempts; try again later".to_owned();
                let code = Code::MerchantGenericUnauthorized;
                let answer = Self::busy(code, ErrorClass::TooMany, *retry_after);
                return Self { detail: Some(detail), ..answer };
            }
            Error::PermissionMissing(permission) => {
                let code = Code::GenericTokenPermissionInsufficient;
                return Self { detail: Some(permission.to_string()), ..code.into() };
            }
            Error::TooManyAccessTokens { .. } => {
                return Self { detail: Some(error.to_string()), ..Code::GenericForbidden.into() };
            }
            Error::ScopeExceeded => Code::GenericTokenPermissionInsufficient,
            Error::AccessTokenUnknown => Code::MerchantGenericAccessTokenUnknown,
            Error::OtpDeviceConflict => Code::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists,
            Error::OtpDeviceUnknown => Code::MerchantGenericOtpDeviceUnknown,
            Error::OtpDeviceContended => {
                let detail = "others changed the device at the same time; try again".to_owned();
                let code = Code::MerchantPrivatePatchOtpDevicesConflict;
                return Self { detail: Some(detail), ..code.into() };
            }
            Error::OtpDeviceInvalid(rule) => {
                let code = match rule {
                    OtpDeviceError::EmptyKey => Code::GenericJsonInvalid,
                    OtpDeviceError::AlgorithmChange => Code::MerchantPrivatePatchOtpDevicesConflict,
                };
                return Self { detail: Some(rule.to_string()), ..code.into() };
            }
            Error::KeyNotOpened(_) | Error::MasterKeyMissing(_) => Code::GenericDbInvariantFailure,
            Error::NoRandomness(_) | Error::KeyNotSealed(_) | Error::PasswordWork(_) => {
                Code::GenericInternalInvariantFailure
            }
            Error::Storage(failure) => match failure {
                StorageFailure::Busy(_) => return Self::overdue(),
                StorageFailure::Unavailable(_) => Code::GenericDbStartFailed,
                StorageFailure::Read(_) => Code::GenericDbFetchFailed,
                StorageFailure::Write(_) => write_failed(operation),
                StorageFailure::Contention(_) => Code::GenericDbSoftFailure,
                StorageFailure::Corrupt(_) => Code::GenericDbInvariantFailure,
            },
        };
        code.into()
    }

    fn busy(code: ErrorCode, class: ErrorClass, retry_after: Duration) -> Self {
        Self { class, retry_after: Some(retry_after), ..code.into() }
    }
}

/// The code of a failed write. The protocol has a separate code for registering a device.
fn write_failed(operation: Operation) -> ErrorCode {
    match operation {
        Operation::AddOtpDevice => ErrorCode::GenericDbCommitFailed,
        Operation::ChangeOtpDevice
        | Operation::RemoveOtpDevice
        | Operation::IssueAccessToken
        | Operation::RevokeAccessToken
        | Operation::RevokeAllAccessTokens
        | Operation::LogIn
        | Operation::AddInstance
        | Operation::RenameInstance
        | Operation::ChangeInstance
        | Operation::SetPassword
        | Operation::DeleteInstance
        | Operation::PurgeInstance
        | Operation::Use(_) => ErrorCode::GenericDbStoreFailed,
    }
}

/// The code of a deleted instance. The protocol has a separate code for changing it.
fn deleted(operation: Operation) -> ErrorCode {
    match operation {
        Operation::RenameInstance | Operation::ChangeInstance => {
            ErrorCode::MerchantPrivatePatchInstancesPurgeRequired
        }
        Operation::AddOtpDevice
        | Operation::ChangeOtpDevice
        | Operation::RemoveOtpDevice
        | Operation::IssueAccessToken
        | Operation::RevokeAccessToken
        | Operation::RevokeAllAccessTokens
        | Operation::LogIn
        | Operation::AddInstance
        | Operation::SetPassword
        | Operation::DeleteInstance
        | Operation::PurgeInstance
        | Operation::Use(_) => ErrorCode::MerchantGenericInstanceDeleted,
    }
}
