//! What is sent of the service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// What the service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct MerchantVersionResponse<'a> {
    /// The version of the protocol, as libtool counts: current, revision, age.
    pub(crate) version: &'static str,
    /// `taler-merchant`, the name of the protocol.
    pub(crate) name: &'static str,
    /// Which implementation of it this is.
    pub(crate) implementation: &'static str,
    /// The default currency.
    pub(crate) currency: &'a str,
    /// How amounts of the currencies are shown.
    #[schema(value_type = BTreeMap<String, CurrencySpecification>)]
    pub(crate) currencies: BTreeMap<&'a str, &'a CurrencySpecification>,
    /// Empty: the service takes no payments.
    #[schema(value_type = Vec<Object>)]
    pub(crate) exchanges: [(); 0],
    /// Never.
    pub(crate) have_self_provisioning: bool,
    /// Never.
    pub(crate) have_donau: bool,
}
