//! `[/instances/$INSTANCE]/config`: the version of the protocol and the currencies.

pub(crate) mod wire;

use std::collections::BTreeMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_domain::{Operation, Permission};
use merchant_otp_taler_protocol::{IMPLEMENTATION, NAME, VERSION};

use self::wire::MerchantVersionResponse;
use crate::endpoints::tags;
use crate::error::HttpError;
use crate::extract::path;
use crate::extract::presented::note_instance;
use crate::state::State;

/// `GET`: shows the version of the protocol and the currencies.
#[utoipa::path(
    get,
    path = "/config",
    operation_id = "show_version",
    tag = tags::SERVICE,
    summary = "Show the version of the protocol and the currencies",
    responses((status = 200, description = "The configuration.", body = MerchantVersionResponse))
)]
pub(crate) async fn show(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    if path::names_instance(&request) {
        let instance = path::instance(&request);
        let found = state.service.find_instance(instance).await;
        note_instance(&request, instance, found)
            .map_err(HttpError::during(Operation::Use(Permission::InstancesRead)))?;
    }
    let currencies = &state.currencies;
    Ok(HttpResponse::Ok().json(MerchantVersionResponse {
        version: VERSION,
        name: NAME,
        implementation: IMPLEMENTATION,
        currency: currencies.first().map_or("", |specification| &specification.currency),
        default_persona: "point-of-sale",
        currencies: currencies
            .iter()
            .map(|specification| (specification.currency.as_str(), specification))
            .collect(),
        exchanges: [],
        have_self_provisioning: false,
        have_donau: false,
        payment_target_types: "*",
        report_generators: BTreeMap::new(),
    }))
}
