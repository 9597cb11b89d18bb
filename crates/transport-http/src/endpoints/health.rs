//! `/healthz` and `/readyz`: for monitoring, without credentials and without details.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::web::Data;
use merchant_otp_transport_kit::Causes;

use crate::endpoints::tags;
use crate::state::State;

/// `GET`: shows that the process answers, without a look at the database.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "show_liveness",
    tag = tags::SERVICE,
    summary = "Tell that the service is alive",
    responses((status = 204, description = "It answers."))
)]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// `GET`: shows whether requests can be answered.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "show_readiness",
    tag = tags::SERVICE,
    summary = "Tell whether the service can do its work",
    description = "Its database answers and has the schema that is needed, and it is not draining.",
    responses(
        (status = 204, description = "It can."),
        (status = 503, description = "It cannot, now."),
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
