//! Errors as HTTP responses.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, ALLOW, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use merchant_otp_application::{Error as UseCaseError, Refusal};
use merchant_otp_domain::Operation;
use merchant_otp_taler_protocol::{ErrorAnswer, ErrorClass, ErrorCode};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::extract::body::{BodyError, SUPPORTED_CODINGS};
use crate::extract::credentials::{self, Credentials, CredentialsError};
use crate::extract::json_object::JsonError;

/// An error of a request.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    /// The use case refused or failed.
    #[error("{error}")]
    UseCase {
        /// The error.
        error: UseCaseError,
        /// The attempted operation.
        operation: Operation,
        /// How the client may authenticate, if its credentials were refused.
        challenge: Challenge,
    },
    /// The client may not create instances, and clients cannot create their own.
    #[error("{0}")]
    NoSelfProvisioning(UseCaseError),
    /// The authentication of an instance to create is not as expected.
    #[error(transparent)]
    AuthOfNewInstance(JsonError),
    /// The authentication of an existing instance is not as expected.
    #[error(transparent)]
    Auth(JsonError),
    /// A parameter of the query or the path is malformed.
    #[error("malformed parameter: {name}: {reason}")]
    Parameter {
        /// The name of the parameter.
        name: &'static str,
        /// What it must be. Does not quote the value.
        reason: String,
    },
    /// The scope or the duration of an access token to issue is malformed.
    #[error(transparent)]
    TokenParameter(JsonError),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not the expected JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The request was not answered in time. Its operation may complete, now or later.
    #[error("the request took longer than {} s", deadline.as_secs())]
    Overdue {
        /// The time limit.
        deadline: Duration,
    },
    /// There is no endpoint at the path.
    #[error("unknown endpoint")]
    EndpointUnknown,
    /// The endpoint does not support the method.
    #[error("unknown method")]
    MethodInvalid {
        /// The method of the request, shortened.
        method: String,
        /// The supported methods, as the header `Allow` lists them.
        allow: &'static str,
    },
}

impl HttpError {
    /// Adds the attempted operation to an error of a use case.
    pub(crate) fn during(operation: Operation) -> impl FnOnce(UseCaseError) -> Self {
        move |error| Self::UseCase { error, operation, challenge: Challenge::default() }
    }

    /// Adds the attempted operation to an error of a use case that checks credentials.
    pub(crate) fn during_authorization(
        operation: Operation,
        request: &HttpRequest,
    ) -> impl FnOnce(UseCaseError) -> Self {
        move |error| {
            let challenge = Challenge::of(request, operation, &error);
            Self::UseCase { error, operation, challenge }
        }
    }

    /// The answer to the client.
    fn answer(&self) -> ErrorAnswer {
        use ErrorCode as Code;
        let code = match self {
            Self::UseCase { error, operation, challenge } => {
                let answer = ErrorAnswer::of(error, *operation);
                let fault = challenge.fault.map(|fault| fault.to_string());
                return ErrorAnswer { detail: answer.detail.or(fault), ..answer };
            }
            Self::NoSelfProvisioning(_) => return ErrorAnswer::no_self_provisioning(),
            Self::Overdue { .. } => return ErrorAnswer::overdue(),
            Self::AuthOfNewInstance(error) => {
                return detailed(Code::MerchantPrivatePostInstancesBadAuth, error.to_string());
            }
            Self::Auth(error) => {
                return detailed(Code::MerchantPrivatePostInstanceAuthBadAuth, error.to_string());
            }
            Self::Json(error) => return detailed(Code::GenericJsonInvalid, error.to_string()),
            Self::TokenParameter(error) => {
                return detailed(Code::GenericParameterMalformed, error.to_string());
            }
            Self::Parameter { name, reason } => {
                let code = Code::GenericParameterMalformed;
                let hint = format!("{}: {reason}", code.hint().trim_end_matches('.'));
                return ErrorAnswer { hint: hint.into(), ..detailed(code, (*name).to_owned()) };
            }
            Self::Body(error) => match error {
                BodyError::Late { .. } => return ErrorAnswer::slow(error.to_string()),
                BodyError::TooLarge => Code::GenericUploadExceedsLimit,
                BodyError::Compression(_) => Code::GenericCompressionInvalid,
                BodyError::UnsupportedCoding => return ErrorAnswer::unsupported(error.to_string()),
                BodyError::Broken(_) => Code::GenericJsonInvalid,
            },
            Self::EndpointUnknown => Code::GenericEndpointUnknown,
            Self::MethodInvalid { method, .. } => {
                return detailed(Code::GenericMethodInvalid, method.clone());
            }
        };
        code.into()
    }

    /// The error for the log, with its causes.
    pub(crate) fn cause(&self) -> &dyn std::error::Error {
        match self {
            Self::UseCase { error, .. } | Self::NoSelfProvisioning(error) => error,
            other => other,
        }
    }

    /// The code of the response, for the log.
    pub(crate) fn code(&self) -> ErrorCode {
        self.answer().code
    }

    /// The invalid field of the body.
    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Json(error)
            | Self::TokenParameter(error)
            | Self::AuthOfNewInstance(error)
            | Self::Auth(error) => error.field(),
            Self::UseCase { .. }
            | Self::NoSelfProvisioning(_)
            | Self::Parameter { .. }
            | Self::Body(_)
            | Self::Overdue { .. }
            | Self::EndpointUnknown
            | Self::MethodInvalid { .. } => None,
        }
    }
}

/// The challenge of a log-in for passwords (RFC 7617).
const BASIC: &str = "Basic realm=\"merchant\", charset=\"UTF-8\"";

/// How a client may authenticate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Challenge {
    /// What is wrong with the form of the credentials.
    fault: Option<CredentialsError>,
    /// Whether a password is accepted as well.
    basic: bool,
}

impl Challenge {
    /// The challenge in the response to a request.
    ///
    /// Pages are not asked for a password: the browser would open a dialog.
    fn of(request: &HttpRequest, operation: Operation, error: &UseCaseError) -> Self {
        const SEC_FETCH_MODE: &str = "Sec-Fetch-Mode";
        let is_log_in = operation == Operation::LogIn;
        let headers = request.headers();
        let is_from_page = headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_MODE);
        let fault = match error {
            UseCaseError::Unauthorized(Refusal::Missing) if is_log_in => {
                Credentials::of(request).err().or_else(|| credentials::fault(request))
            }
            UseCaseError::Unauthorized(Refusal::Missing) => credentials::fault(request),
            _ => None,
        };
        Self { fault, basic: is_log_in && !is_from_page }
    }
}

fn detailed(code: ErrorCode, detail: String) -> ErrorAnswer {
    ErrorAnswer { detail: Some(detail), ..code.into() }
}

/// The HTTP status of a class of errors.
fn status(class: ErrorClass) -> StatusCode {
    match class {
        ErrorClass::Malformed => StatusCode::BAD_REQUEST,
        ErrorClass::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorClass::Forbidden => StatusCode::FORBIDDEN,
        ErrorClass::NotFound => StatusCode::NOT_FOUND,
        ErrorClass::MethodInvalid => StatusCode::METHOD_NOT_ALLOWED,
        ErrorClass::Slow => StatusCode::REQUEST_TIMEOUT,
        ErrorClass::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorClass::Conflict => StatusCode::CONFLICT,
        ErrorClass::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorClass::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorClass::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorClass::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        status(self.answer().class)
    }

    fn error_response(&self) -> HttpResponse {
        let ErrorAnswer { code, class, hint, detail, retry_after } = self.answer();
        let mut response = HttpResponse::build(status(class));
        if let Self::MethodInvalid { allow, .. } = self {
            response.insert_header((ALLOW, HeaderValue::from_static(allow)));
        }
        if class == ErrorClass::Unauthorized {
            if matches!(self, Self::UseCase { challenge: Challenge { basic: true, .. }, .. }) {
                response.append_header((WWW_AUTHENTICATE, HeaderValue::from_static(BASIC)));
            }
            response.append_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if class == ErrorClass::Unsupported {
            response.insert_header((ACCEPT_ENCODING, HeaderValue::from_static(SUPPORTED_CODINGS)));
        }
        let (code, field) = (code.number(), self.field());
        response.json(ErrorDetail { code, hint: &hint, detail: detail.as_deref(), field })
    }
}

/// The error of a request. docs/codes.md lists the codes.
// `ErrorDetail` of the protocol, with the `field` that Taler's parsers report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorDetail<'a> {
    /// The error code, for programs.
    code: u16,
    /// A description for people. The text may change.
    hint: &'a str,
    /// What is wrong, if the client can fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'a str>,
    /// The invalid field of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'static str>,
}
