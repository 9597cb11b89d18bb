//! The request log and the request id.

use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use merchant_otp_transport_kit::{AnsweredRequest, Importance, InFlight, RequestId};
use tracing::Instrument;

use crate::error::HttpError;
use crate::extract::presented::KnownInstance;
use crate::state::State;

/// The header with the request id, in the response and in requests from a proxy.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Logs each response on one line, with the causes of an error, and counts it.
///
/// The path and the query of the client are not logged, only the route that the router recognised.
/// Everything that is logged during the request has its id, which the response has too.
pub(crate) async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let behind_proxy = State::of(request.request()).proxy_header.is_some();
    let given = request.headers().get(X_REQUEST_ID).filter(|_| behind_proxy);
    let id = RequestId::new(given.and_then(|id| id.to_str().ok()));
    let mut response = answer(request, next).instrument(id.span()).await?;
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    Ok(response)
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let start = Instant::now();
    let in_flight = InFlight::begin();
    let response = next.call(request).await?;
    drop(in_flight);

    let request = response.request();
    let route = request.match_pattern();
    let route = route.as_deref().unwrap_or("none");
    let status = response.status();
    let error = response.response().error().and_then(actix_web::Error::as_error::<HttpError>);
    let extensions = request.extensions();
    let instance = extensions.get::<KnownInstance>();
    let answered = AnsweredRequest {
        method: request.method().as_str(),
        method_label: method_label(request.method()),
        route,
        instance: instance.map(|KnownInstance(name)| name.as_str()),
        status: status.as_u16(),
        code: error.map(HttpError::code),
        error: error.map(HttpError::cause),
        duration: start.elapsed(),
        importance: match route {
            // A failed health check is logged where it fails.
            "/healthz" | "/readyz" => Importance::Probe,
            _ if status.is_server_error() => Importance::Failure,
            _ => Importance::Request,
        },
    };
    answered.record();
    drop(extensions);
    Ok(response)
}

/// Returns the method as a label of the metrics. Clients may send any method; the labels are few.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
