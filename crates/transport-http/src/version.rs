//! `[/instances/$INSTANCE]/config`: what the service is, for clients that look before they ask.

use std::collections::BTreeMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::HttpError;
use crate::routes::App;
use crate::{instance, openapi};

/// The version of the merchant protocol, as libtool counts: current, revision, age.
///
/// A client of version 12 to 20 finds what it knows of OTP devices.
const PROTOCOL: &str = "20:0:8";

/// How amounts of a currency are shown: `CurrencySpecification` of the protocol.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CurrencySpecification {
    /// Its code, such as `EUR`.
    pub currency: String,
    /// Its name for people, such as `Euro`.
    pub name: String,
    /// How many fractional digits a person may type.
    pub num_fractional_input_digits: u8,
    /// How many fractional digits are shown in normal size.
    pub num_fractional_normal_digits: u8,
    /// How many fractional digits are shown even if they are zero.
    pub num_fractional_trailing_zero_digits: u8,
    /// Names of powers of ten of its unit; `0` is the unit itself.
    pub alt_unit_names: BTreeMap<String, String>,
}

/// `GET`: tells the version of the protocol and the currencies.
#[utoipa::path(
    get,
    path = "/config",
    operation_id = "show_version",
    tag = openapi::SERVICE,
    summary = "Tell the version of the protocol and the currencies",
    responses((status = 200, description = "The version.", body = MerchantVersionResponse))
)]
pub(crate) async fn show(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    if instance::is_named(&request) {
        let id = instance::of(&request).ok_or(Error::InstanceUnknown)?;
        instance::known(&request, &id, app.service.find_instance(&id).await)?;
    }
    let currencies = &app.currencies;
    Ok(HttpResponse::Ok().json(MerchantVersionResponse {
        version: PROTOCOL,
        name: "taler-merchant",
        implementation: concat!("urn:net:merchant-otp:server:", env!("CARGO_PKG_VERSION")),
        currency: currencies.first().map_or("", |specification| &specification.currency),
        currencies: currencies
            .iter()
            .map(|specification| (specification.currency.as_str(), specification))
            .collect(),
        exchanges: [],
        have_self_provisioning: false,
        have_donau: false,
    }))
}

/// What the service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct MerchantVersionResponse<'a> {
    /// The version of the protocol, as libtool counts: current, revision, age.
    version: &'static str,
    /// `taler-merchant`, the name of the protocol.
    name: &'static str,
    /// Which implementation of it this is.
    implementation: &'static str,
    /// The default currency.
    currency: &'a str,
    /// How amounts of the currencies are shown.
    #[schema(value_type = BTreeMap<String, CurrencySpecification>)]
    currencies: BTreeMap<&'a str, &'a CurrencySpecification>,
    /// Empty: the service takes no payments.
    #[schema(value_type = Vec<Object>)]
    exchanges: [(); 0],
    /// Never.
    have_self_provisioning: bool,
    /// Never.
    have_donau: bool,
}
