//! Log-ins, as an extractor.

use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use merchant_otp_application::{Error, LogIn, Refusal};
use merchant_otp_domain::Operation;
use zeroize::Zeroizing;

use crate::error::HttpError;
use crate::extract::body;
use crate::extract::credentials::Credentials;
use crate::extract::path;
use crate::extract::presented::{note_instance, presented};
use crate::state::State;

/// The maximum size of the body of a log-in, in bytes. It is read before the credentials are
/// checked.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The maximum time in which the body of a log-in arrives.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// A log-in with the password of an instance or a refreshable access token, and the body of the
/// request.
pub(crate) struct LoggedIn {
    pub(crate) log_in: LogIn,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl LoggedIn {
    async fn of(request: &HttpRequest, payload: Payload) -> Result<Self, HttpError> {
        let state = State::of(request);
        let presented = presented(state, request);
        let found = state.service.find_instance(presented.instance).await;
        let refused = || HttpError::during_authorization(Operation::LogIn, request);
        note_instance(request, presented.instance, found).map_err(refused())?;
        let credentials = Credentials::of(request)
            .map_err(|_| refused()(Error::Unauthorized(Refusal::Missing)))?;
        // Read the body first: the credentials may become invalid while it arrives.
        let limit = state.limits.max_body_bytes.min(MAX_BODY_BYTES);
        let deadline = state.limits.body_deadline.min(BODY_DEADLINE);
        let body = body::read(request, payload, limit, deadline).await?.bytes;
        let log_in = match credentials {
            Credentials::Password { user, password } => {
                let user = path::current_name(&user);
                state.service.log_in_with_password(presented, user, password).await
            }
            Credentials::Token(_) => state.service.log_in_with_token(presented).await,
        };
        Ok(Self { log_in: log_in.map_err(refused())?, body })
    }
}

impl FromRequest for LoggedIn {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Self::of(&request, payload).await })
    }
}
