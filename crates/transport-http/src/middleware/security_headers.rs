//! Security headers.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;

/// Headers that restrict what browsers and caches do with a response.
///
/// An API shows nothing in a page, and a response is only for the client that sent the request. A
/// browser that connected with TLS must not connect without it later.
pub(crate) fn security_headers(is_tls: bool) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((CACHE_CONTROL, "no-store"))
        .add((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"));
    if is_tls { headers.add((STRICT_TRANSPORT_SECURITY, "max-age=31536000")) } else { headers }
}
