//! Responses to requests of HTTP/1.0.

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::Next;

/// Sends a response of unknown length to a request of HTTP/1.0 without chunks, and closes the
/// connection at its end (RFC 9112 section 6.1).
pub(crate) async fn answer_without_chunks(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_http_1_0 = request.version() <= Version::HTTP_10;
    let mut response = next.call(request).await?;
    if is_http_1_0 && response.response().body().size() == BodySize::Stream {
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
