use std::error::Error;
use std::fmt;
use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use tracing::Instrument;

use crate::error::HttpError;
use crate::instance::KnownInstance;
use crate::request_id::{self, X_REQUEST_ID, request_id};
use crate::taler_error_code::TalerErrorCode;

/// Writes one line to the log for each answer, an error with its causes, and counts it.
///
/// Neither the path nor the query is written as the client sent it: only what the router recognised. All
/// that is logged on the way has the id of the request, which the answer tells too.
pub(crate) async fn log_answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = request_id(&request);
    // Of the highest level, so that it is there whatever is filtered.
    let span = tracing::error_span!("request", request_id = id);
    let mut response = answer(request, next).instrument(span).await?;
    if let Some(id) = request_id::header(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    Ok(response)
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let start = Instant::now();
    let in_flight = InFlight::new();
    let response = next.call(request).await?;
    drop(in_flight);

    let request = response.request();
    let method = request.method().as_str();
    let route = request.match_pattern();
    let route = route.as_deref().unwrap_or("none");
    let status = response.status();
    let duration = start.elapsed().as_secs_f64();
    let error = response.response().error().and_then(actix_web::Error::as_error::<HttpError>);
    let code = error.map(HttpError::code);
    let extensions = request.extensions();
    let instance = extensions.get::<KnownInstance>().map(|known| tracing::field::display(&known.0));
    let code = code.map(TalerErrorCode::number);
    let cause = error.map(|error| tracing::field::display(Causes(error)));

    macro_rules! answered {
        ($level:ident) => {
            tracing::$level!(
                method,
                route,
                instance,
                status = status.as_u16(),
                code,
                cause,
                duration,
                "answered"
            )
        };
    }
    match route {
        // Asked for all the time, and of no interest unless they fail, which is logged where they do.
        "/healthz" | "/readyz" => answered!(debug),
        _ if status.is_server_error() => answered!(error),
        _ => answered!(info),
    }
    count(request.method(), route, status.as_u16(), code, duration);
    drop(extensions);
    Ok(response)
}

/// Counts an answer. Its labels are few, whatever clients send.
fn count(method: &Method, route: &str, status: u16, code: Option<u16>, duration: f64) {
    let method = match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    metrics::counter!(
        "merchant_otp_requests_total",
        "method" => method,
        "route" => route.to_owned(),
        "status" => status.to_string(),
        "code" => code.map_or_else(String::new, |code| code.to_string()),
    )
    .increment(1);
    metrics::histogram!(
        "merchant_otp_request_duration_seconds",
        "method" => method,
        "route" => route.to_owned(),
    )
    .record(duration);
}

/// Counted as a request that is not answered yet, until it is dropped.
struct InFlight(metrics::Gauge);

impl InFlight {
    fn new() -> Self {
        let gauge = metrics::gauge!("merchant_otp_requests_in_flight");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// An error and all its causes, on one line.
pub(crate) struct Causes<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
