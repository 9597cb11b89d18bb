//! Errors as HTTP responses.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use merchant_otp_application::Error as UseCaseError;
use merchant_otp_domain::Operation;
use merchant_otp_taler_protocol::{ErrorAnswer, ErrorClass, ErrorCode};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::extract::body::BodyError;
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
    },
    /// The authentication of an instance to create is not as expected.
    #[error(transparent)]
    AuthOfNewInstance(JsonError),
    /// The authentication of an existing instance is not as expected.
    #[error(transparent)]
    Auth(JsonError),
    /// A parameter of the query or the path is malformed. The error names it.
    #[error("malformed parameter: {0}")]
    Parameter(&'static str),
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
        /// The supported methods, as the header `Allow` lists them.
        allow: &'static str,
    },
}

impl HttpError {
    /// Adds the attempted operation to an error of a use case.
    pub(crate) fn during(operation: Operation) -> impl FnOnce(UseCaseError) -> Self {
        move |error| Self::UseCase { error, operation }
    }

    /// The answer to the client.
    fn answer(&self) -> ErrorAnswer {
        use ErrorCode as Code;
        let code = match self {
            Self::UseCase { error, operation } => return ErrorAnswer::of(error, *operation),
            Self::Overdue { .. } => return ErrorAnswer::overdue(),
            Self::AuthOfNewInstance(error) => {
                return detailed(Code::MerchantPrivatePostInstancesBadAuth, error.to_string());
            }
            Self::Auth(error) => {
                return detailed(Code::MerchantPrivatePostInstanceAuthBadAuth, error.to_string());
            }
            Self::Json(error) => return detailed(Code::GenericJsonInvalid, error.to_string()),
            Self::Parameter(name) => {
                return detailed(Code::GenericParameterMalformed, (*name).to_owned());
            }
            Self::Body(error) => match error {
                BodyError::Late { .. } => return ErrorAnswer::slow(error.to_string()),
                BodyError::TooLarge => Code::GenericUploadExceedsLimit,
                BodyError::Compression(_) => Code::GenericCompressionInvalid,
                BodyError::Broken(_) => Code::GenericJsonInvalid,
            },
            Self::EndpointUnknown => Code::GenericEndpointUnknown,
            Self::MethodInvalid { .. } => Code::GenericMethodInvalid,
        };
        code.into()
    }

    /// The error for the log, with its causes.
    pub(crate) fn cause(&self) -> &dyn std::error::Error {
        match self {
            Self::UseCase { error, .. } => error,
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
            Self::Json(error) | Self::AuthOfNewInstance(error) | Self::Auth(error) => error.field(),
            Self::UseCase { .. }
            | Self::Parameter(_)
            | Self::Body(_)
            | Self::Overdue { .. }
            | Self::EndpointUnknown
            | Self::MethodInvalid { .. } => None,
        }
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
        let ErrorAnswer { code, class, detail, retry_after } = self.answer();
        let mut response = HttpResponse::build(status(class));
        if let Self::MethodInvalid { allow } = self {
            response.insert_header((ALLOW, HeaderValue::from_static(allow)));
        }
        if class == ErrorClass::Unauthorized {
            // Not `Basic`, although a log-in accepts it: browsers would ask for a password.
            response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        let field = self.field();
        response.json(ErrorDetail { code: code.number(), hint: code.hint(), detail, field })
    }
}

/// The error of a request. docs/codes.md lists the codes.
// `ErrorDetail` of the protocol, with the `field` that Taler's parsers report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// The error code, for programs.
    code: u16,
    /// A description for people. The text may change.
    hint: &'static str,
    /// What is wrong, if the client can fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// The invalid field of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'static str>,
}
