use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest};
use merchant_otp_application::{Error, Grant, ManagementGrant};
use merchant_otp_domain::{InstanceId, Permission};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::body;
use crate::client_address::client_address;
use crate::credentials::access_token;
use crate::error::HttpError;
use crate::routes::App;

/// The name of the path segment that names an instance.
pub(crate) const SEGMENT: &str = "instance";

/// The instance that a request addresses; `None` if what its path names can be none.
///
/// The router leaves nothing percent-encoded that an id may have.
pub(crate) fn of(request: &HttpRequest) -> Option<InstanceId> {
    match request.match_info().get(SEGMENT) {
        None => Some(InstanceId::admin()),
        Some(segment) => InstanceId::parse(segment).ok(),
    }
}

/// Whether the path of a request names an instance.
pub(crate) fn is_named(request: &HttpRequest) -> bool {
    request.match_info().get(SEGMENT).is_some()
}

/// The last segment of a path, percent-decoded once; `None` if it is not UTF-8 then.
///
/// It is taken from the path as it was sent: the router decodes most, but not all of it, and puts
/// something else in the place of what is not UTF-8.
pub(crate) fn last_segment(request: &HttpRequest) -> Option<String> {
    let segment = request.uri().path().rsplit('/').next()?;
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}

/// Checks that the client may use a permission on the instance that it addresses.
pub(crate) async fn authorize(
    app: &App,
    request: &HttpRequest,
    permission: Permission,
) -> Result<Grant, HttpError> {
    let instance = of(request).ok_or(Error::InstanceUnknown)?;
    let (token, address) = (access_token(request), client_address(request, app.behind_proxy));
    let authorized = app.service.authorize(&instance, token.as_ref(), address, permission).await;
    Ok(known(request, &instance, authorized)?)
}

/// Checks that the client may use a permission on all instances.
pub(crate) async fn authorize_management(
    app: &App,
    request: &HttpRequest,
    permission: Permission,
) -> Result<ManagementGrant, HttpError> {
    let (token, address) = (access_token(request), client_address(request, app.behind_proxy));
    let authorized = app.service.authorize_management(token.as_ref(), address, permission).await;
    Ok(known(request, &InstanceId::admin(), authorized)?)
}

/// Reads the body of a request of a client that has a right, which `authorize` looks up.
///
/// Before the body is read, so that nobody without the right keeps the service reading; and again if the
/// body was waited for, since the right may have been taken away meanwhile.
pub(crate) async fn authorized_body<Right>(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
    authorize: impl AsyncFn() -> Result<Right, HttpError>,
) -> Result<(Right, Zeroizing<Vec<u8>>), HttpError> {
    let right = authorize().await?;
    let body = body::read(request, payload, app.body_limit).await?;
    let right = if body.was_waited_for { authorize().await? } else { right };
    Ok((right, body.bytes))
}

/// Hands on what a use case said of an instance, from which the log learns whether it is there.
pub(crate) fn known<T>(
    request: &HttpRequest,
    instance: &InstanceId,
    result: Result<T, Error>,
) -> Result<T, Error> {
    if !matches!(result, Err(Error::InstanceUnknown | Error::Storage(_))) {
        mark_known(request, instance.clone());
    }
    result
}

/// An instance that a request addresses and that is there: for the log.
pub(crate) struct KnownInstance(pub(crate) InstanceId);

/// Tells the log that the instance is there. What names none may be anything, a token in the wrong
/// place among it, and is not logged.
fn mark_known(request: &HttpRequest, instance: InstanceId) {
    request.extensions_mut().insert(KnownInstance(instance));
}
