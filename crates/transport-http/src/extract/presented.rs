//! The instance, token and address that the client of a request presents.

use actix_web::{HttpMessage, HttpRequest};
use merchant_otp_application::{Error, Presented};
use merchant_otp_domain::{Operation, Permission};
use merchant_otp_transport_kit::loggable_instance;

use crate::error::HttpError;
use crate::extract::client_address::client_address;
use crate::extract::credentials::bearer_token;
use crate::extract::path;
use crate::state::State;

/// Returns what the client of a request presents.
pub(crate) fn presented<'a>(state: &State, request: &'a HttpRequest) -> Presented<'a> {
    Presented {
        instance: path::instance(request),
        token: bearer_token(request),
        address: client_address(request, state.proxy_header),
    }
}

/// Checks that the instance in the path exists, if there is one.
pub(crate) async fn find_instance(state: &State, request: &HttpRequest) -> Result<(), HttpError> {
    if !path::names_instance(request) {
        return Ok(());
    }
    let instance = path::instance(request);
    let found = state.service.find_instance(instance).await;
    note_instance(request, instance, found)
        .map_err(HttpError::during(Operation::Use(Permission::InstancesRead)))
}

/// Keeps the name of an instance for the log, if a use case found it. Returns the result unchanged.
pub(crate) fn note_instance<T>(
    request: &HttpRequest,
    named: &str,
    result: Result<T, Error>,
) -> Result<T, Error> {
    if let Some(instance) = loggable_instance(named, &result) {
        request.extensions_mut().insert(KnownInstance(instance.to_owned()));
    }
    result
}

/// The existing instance that a request addresses; stored in the extensions of the request.
pub(crate) struct KnownInstance(pub(crate) String);
