//! `Accept-Encoding` headers that accept nothing.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT_ENCODING, AcceptEncoding, Encoding, Header};
use actix_web::middleware::Next;

/// Ignores an `Accept-Encoding` that accepts none of the available encodings.
///
/// The client then gets a response without an encoding (RFC 9110 section 12.5.3 allows it), and not
/// an error for each request.
pub(crate) async fn ignore_unacceptable(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        return next.call(request).await;
    }
    let available = [Encoding::identity(), Encoding::gzip(), Encoding::deflate()];
    let accepted = AcceptEncoding::parse(&request)
        .is_ok_and(|accepted| accepted.negotiate(available.iter()).is_some());
    if !accepted {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    next.call(request).await
}
