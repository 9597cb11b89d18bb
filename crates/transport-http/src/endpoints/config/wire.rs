//! The body of the response of `/config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The display of amounts in a currency: `CurrencySpecification` of the protocol.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CurrencySpecification {
    /// The code, such as `EUR`.
    pub currency: String,
    /// The display name, such as `Euro`.
    pub name: String,
    /// The number of fractional digits that a user may enter.
    pub num_fractional_input_digits: u8,
    /// The number of fractional digits that are displayed in normal size.
    pub num_fractional_normal_digits: u8,
    /// The number of fractional digits that are displayed even if they are zero.
    pub num_fractional_trailing_zero_digits: u8,
    /// The names of powers of ten of the unit; `0` is the unit itself.
    pub alt_unit_names: BTreeMap<String, String>,
    /// Common amounts of the currency, such as `EUR:5`, for clients to suggest.
    #[serde(default)]
    pub common_amounts: Vec<String>,
}

/// The version of the protocol, and the currencies.
#[derive(Serialize, ToSchema)]
pub(crate) struct MerchantVersionResponse<'a> {
    /// The version of the protocol in libtool notation: current, revision, age.
    pub(crate) version: &'static str,
    /// The name of the protocol: `taler-merchant`.
    pub(crate) name: &'static str,
    /// The name of this implementation of the protocol.
    pub(crate) implementation: &'static str,
    /// The default currency.
    pub(crate) currency: &'a str,
    /// The default persona of clients: `point-of-sale`.
    pub(crate) default_persona: &'static str,
    /// The supported currencies, by code.
    #[schema(value_type = BTreeMap<String, CurrencySpecification>)]
    pub(crate) currencies: BTreeMap<&'a str, &'a CurrencySpecification>,
    /// Empty: the service takes no payments.
    #[schema(value_type = Vec<Object>)]
    pub(crate) exchanges: [(); 0],
    /// Always `false`.
    pub(crate) have_self_provisioning: bool,
    /// Always `false`.
    pub(crate) have_donau: bool,
    /// The supported kinds of bank accounts: `*`, because the service uses none.
    pub(crate) payment_target_types: &'static str,
    /// Empty: the service creates no reports.
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) report_generators: BTreeMap<&'a str, &'a str>,
}
