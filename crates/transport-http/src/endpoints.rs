//! The endpoints, one module per resource. `wire` has the bodies of its requests and responses.

pub(crate) mod access_tokens;
pub(crate) mod config;
pub(crate) mod health;
pub(crate) mod instances;
pub(crate) mod otp_devices;
pub(crate) mod routes;
pub(crate) mod tags;
pub(crate) mod time;
pub(crate) mod web_page;
