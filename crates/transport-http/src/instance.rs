use actix_web::HttpRequest;
use merchant_otp_application::{Error, Grant, Service};
use merchant_otp_domain::{InstanceId, Permission};

use crate::credentials::access_token;
use crate::error::HttpError;

/// The name of the path segment that names an instance.
pub(crate) const SEGMENT: &str = "instance";

/// The instance that a request addresses; `None` if what its path names can be none.
///
/// An id has no character that is ever percent-encoded, so what the router left encoded is none.
pub(crate) fn of(request: &HttpRequest) -> Option<InstanceId> {
    match request.match_info().get(SEGMENT) {
        None => Some(InstanceId::admin()),
        Some(segment) => InstanceId::parse(segment).ok(),
    }
}

/// Checks that the client may use a permission on the instance that it addresses.
pub(crate) async fn authorize(
    service: &Service,
    request: &HttpRequest,
    permission: Permission,
) -> Result<Grant, HttpError> {
    let instance = of(request).ok_or(Error::InstanceUnknown)?;
    let token = access_token(request);
    Ok(service.authorize(&instance, token.as_ref(), permission).await?)
}
