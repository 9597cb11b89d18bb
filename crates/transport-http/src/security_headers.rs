use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;

/// Says in every answer what browsers and caches must not do with it.
///
/// An API has nothing to show in a page, and what it answers belongs to whoever asked. A browser that came
/// by TLS is not to come without.
pub(crate) async fn add_security_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    const POLICY: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    let is_tls = request.app_config().secure();
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    if is_tls {
        const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
    }
    Ok(response)
}
