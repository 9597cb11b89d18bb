//! Extractors of handlers: rights, bodies, parameters.

pub(crate) mod authorized;
pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod credentials;
pub(crate) mod json_object;
pub(crate) mod logged_in;
pub(crate) mod path;
pub(crate) mod presented;
pub(crate) mod query;
