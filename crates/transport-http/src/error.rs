use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use merchant_otp_application::{Error as UseCaseError, StorageFailure};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::body::BodyError;
use crate::json_object::JsonError;
use crate::taler_error_code::TalerErrorCode;

/// Why a request is not answered with a success.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    /// The use case refused or failed.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
    /// The same, of an operation whose failed writes are `DB_STORE_FAILED` in the protocol.
    #[error(transparent)]
    Storing(UseCaseError),
    /// The same, of a change to an instance.
    #[error(transparent)]
    ChangingInstance(UseCaseError),
    /// The authentication of an instance that is to be made is not what is expected.
    #[error(transparent)]
    AuthOfNewInstance(JsonError),
    /// The same, of an instance that is there.
    #[error(transparent)]
    Auth(JsonError),
    /// A parameter of the query or the path cannot be read; the error names it.
    #[error("malformed parameter: {0}")]
    Parameter(&'static str),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not the JSON that is expected.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is not answered in time. What it began may be done, now or later.
    #[error("the request took longer than {} s", deadline.as_secs())]
    Late {
        /// How long it might take.
        deadline: Duration,
    },
    /// Nothing is at the path.
    #[error("unknown endpoint")]
    EndpointUnknown,
    /// Something is at the path, for other methods.
    #[error("unknown method")]
    MethodInvalid {
        /// The methods that it knows, as the header `Allow` lists them.
        allow: &'static str,
    },
}

impl HttpError {
    /// The one mapping of errors to a status and a code of Taler.
    fn answer(&self) -> (StatusCode, TalerErrorCode) {
        use TalerErrorCode as Code;
        match self {
            Self::UseCase(error) => use_case_answer(error, Code::GenericDbCommitFailed),
            Self::ChangingInstance(UseCaseError::InstanceDeleted) => {
                (StatusCode::CONFLICT, Code::MerchantPrivatePatchInstancesPurgeRequired)
            }
            Self::Storing(error) | Self::ChangingInstance(error) => {
                use_case_answer(error, Code::GenericDbStoreFailed)
            }
            Self::AuthOfNewInstance(_) => {
                (StatusCode::BAD_REQUEST, Code::MerchantPrivatePostInstancesBadAuth)
            }
            Self::Auth(_) => {
                (StatusCode::BAD_REQUEST, Code::MerchantPrivatePostInstanceAuthBadAuth)
            }
            Self::Body(error) => match error {
                BodyError::TooLarge => {
                    (StatusCode::PAYLOAD_TOO_LARGE, Code::GenericUploadExceedsLimit)
                }
                BodyError::Compression(_) => {
                    (StatusCode::BAD_REQUEST, Code::GenericCompressionInvalid)
                }
                BodyError::Broken(_) => (StatusCode::BAD_REQUEST, Code::GenericJsonInvalid),
                BodyError::Late => (StatusCode::REQUEST_TIMEOUT, Code::GenericJsonInvalid),
            },
            Self::Json(_) => (StatusCode::BAD_REQUEST, Code::GenericJsonInvalid),
            Self::Parameter(_) => (StatusCode::BAD_REQUEST, Code::GenericParameterMalformed),
            // It is the database that takes so long.
            Self::Late { .. } => (StatusCode::SERVICE_UNAVAILABLE, Code::GenericDbStartFailed),
            Self::EndpointUnknown => (StatusCode::NOT_FOUND, Code::GenericEndpointUnknown),
            Self::MethodInvalid { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, Code::GenericMethodInvalid)
            }
        }
    }

    /// The code of the answer, for the log.
    pub(crate) fn code(&self) -> TalerErrorCode {
        self.answer().1
    }

    /// The use case's error, if it is one.
    fn use_case(&self) -> Option<&UseCaseError> {
        match self {
            Self::UseCase(error) | Self::Storing(error) | Self::ChangingInstance(error) => {
                Some(error)
            }
            Self::AuthOfNewInstance(_)
            | Self::Auth(_)
            | Self::Parameter(_)
            | Self::Body(_)
            | Self::Json(_)
            | Self::Late { .. }
            | Self::EndpointUnknown
            | Self::MethodInvalid { .. } => None,
        }
    }

    /// What helps a client to mend its request; for those it can mend only.
    fn detail(&self) -> (Option<&'static str>, Option<String>) {
        match self {
            Self::Json(error) | Self::AuthOfNewInstance(error) | Self::Auth(error) => {
                (error.field(), Some(error.to_string()))
            }
            Self::Parameter(name) => (None, Some((*name).to_owned())),
            Self::UseCase(error) | Self::Storing(error) | Self::ChangingInstance(error) => {
                let detail = match error {
                    UseCaseError::PermissionMissing(permission) => Some(permission.to_string()),
                    UseCaseError::OtpDeviceInvalid(rule) => Some(rule.to_string()),
                    UseCaseError::TooManyLogIns { .. } | UseCaseError::TooManyPasswords { .. } => {
                        Some("too many attempts; try again later".to_owned())
                    }
                    _ => None,
                };
                (None, detail)
            }
            Self::Body(error @ BodyError::Late) => (None, Some(error.to_string())),
            Self::Body(_)
            | Self::Late { .. }
            | Self::EndpointUnknown
            | Self::MethodInvalid { .. } => (None, None),
        }
    }

    /// The header that goes with the status.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::MethodInvalid { allow } => {
                return Some((ALLOW, HeaderValue::from_static(allow)));
            }
            Self::Late { .. } => return Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => {}
        }
        match self.use_case()? {
            // Not `Basic`, though a log-in takes it: browsers would ask for a password.
            UseCaseError::Unauthorized(_) => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            UseCaseError::TooManyLogIns { retry_after }
            | UseCaseError::TooManyPasswords { retry_after } => {
                let seconds = retry_after.as_secs_f64().ceil().max(1.0);
                HeaderValue::try_from(seconds.to_string()).ok().map(|value| (RETRY_AFTER, value))
            }
            UseCaseError::Storage(StorageFailure::Busy(_)) => {
                Some((RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => None,
        }
    }
}

/// What a use case's error is answered with; `write_failed` is the code of a failed write.
fn use_case_answer(
    error: &UseCaseError,
    write_failed: TalerErrorCode,
) -> (StatusCode, TalerErrorCode) {
    use TalerErrorCode as Code;
    match error {
        UseCaseError::InstanceUnknown => {
            (StatusCode::NOT_FOUND, Code::MerchantGenericInstanceUnknown)
        }
        UseCaseError::InstanceDeleted => {
            (StatusCode::NOT_FOUND, Code::MerchantGenericInstanceDeleted)
        }
        UseCaseError::InstanceConflict | UseCaseError::InstanceReserved => {
            (StatusCode::CONFLICT, Code::MerchantPrivatePostInstancesAlreadyExists)
        }
        UseCaseError::InstancePurgeRequired => {
            (StatusCode::CONFLICT, Code::MerchantPrivatePostInstancesPurgeRequired)
        }
        UseCaseError::Unauthorized(_) => {
            (StatusCode::UNAUTHORIZED, Code::MerchantGenericUnauthorized)
        }
        // The registry has no code of its own for this that is known.
        UseCaseError::TooManyLogIns { .. } | UseCaseError::TooManyPasswords { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, Code::MerchantGenericUnauthorized)
        }
        UseCaseError::PermissionMissing(_) | UseCaseError::ScopeExceeded => {
            (StatusCode::FORBIDDEN, Code::GenericTokenPermissionInsufficient)
        }
        UseCaseError::AccessTokenUnknown => (StatusCode::NOT_FOUND, Code::GenericTokenUnknown),
        UseCaseError::OtpDeviceConflict => {
            (StatusCode::CONFLICT, Code::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists)
        }
        UseCaseError::OtpDeviceUnknown => {
            (StatusCode::NOT_FOUND, Code::MerchantGenericOtpDeviceUnknown)
        }
        UseCaseError::OtpDeviceInvalid(_) => (StatusCode::BAD_REQUEST, Code::GenericJsonInvalid),
        UseCaseError::KeyNotOpened(_) | UseCaseError::MasterKeyMissing(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Code::GenericDbInvariantFailure)
        }
        UseCaseError::NoRandomness(_)
        | UseCaseError::KeyNotSealed(_)
        | UseCaseError::PasswordWork(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Code::GenericInternalInvariantFailure)
        }
        UseCaseError::Storage(failure) => {
            let code = match failure {
                StorageFailure::Busy(_) => {
                    return (StatusCode::SERVICE_UNAVAILABLE, Code::GenericDbStartFailed);
                }
                StorageFailure::Unavailable(_) => Code::GenericDbStartFailed,
                StorageFailure::Read(_) => Code::GenericDbFetchFailed,
                StorageFailure::Write(_) => write_failed,
                StorageFailure::Contention(_) => Code::GenericDbSoftFailure,
                StorageFailure::Corrupt(_) => Code::GenericDbInvariantFailure,
            };
            (StatusCode::INTERNAL_SERVER_ERROR, code)
        }
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        self.answer().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = self.answer();
        let (field, detail) = self.detail();
        let mut response = HttpResponse::build(status);
        if let Some(header) = self.header() {
            response.insert_header(header);
        }
        response.json(ErrorDetail { code: code.number(), hint: code.hint(), detail, field })
    }
}

/// Why a request is not answered with a success; docs/codes.md lists the codes.
// `ErrorDetail` of the protocol, with the `field` that Taler's parsers name.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// The code, by which programs go.
    code: u16,
    /// The same in words that may change.
    hint: &'static str,
    /// What is wrong, where a client can mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// The field of the body that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'static str>,
}
