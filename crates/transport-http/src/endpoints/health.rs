//! `/healthz` and `/readyz`: for monitoring, without credentials and without details.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::web::Data;
use merchant_otp_transport_kit::Causes;

use crate::endpoints::tags;
use crate::state::State;

/// `GET`: reports that the process responds, without accessing the database.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "show_liveness",
    tag = tags::SERVICE,
    summary = "Check that the service is alive",
    responses((status = 204, description = "The service is alive."))
)]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// `GET`: reports whether requests can be answered.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "show_readiness",
    tag = tags::SERVICE,
    summary = "Check that the service is ready",
    description = "The database responds and has the expected schema, and the service is not \
                   draining.",
    responses(
        (status = 204, description = "The service is ready."),
        (status = 503, description = "The service is not ready."),
    )
)]
pub(crate) async fn ready(state: Data<State>) -> HttpResponse {
    if state.draining.load(Ordering::Relaxed) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    match state.service.check_health().await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => {
            tracing::warn!(cause = %Causes(&error), "readiness check failed");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}
