use std::error::Error;
use std::fmt;
use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::error::HttpError;
use crate::instance::KnownInstance;
use crate::taler_error_code::TalerErrorCode;

/// Writes one line to the log for each answer, an error with its causes.
///
/// Neither the path nor the query is written as the client sent it: only what the router recognised.
pub(crate) async fn log_answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let start = Instant::now();
    let response = next.call(request).await?;

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
    if status.is_server_error() {
        answered!(error);
    } else {
        answered!(info);
    }
    drop(extensions);
    Ok(response)
}

/// An error and all its causes, on one line.
struct Causes<'a>(&'a HttpError);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
