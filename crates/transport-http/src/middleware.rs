//! Middleware around every request.

pub(crate) mod compression;
pub(crate) mod cors;
pub(crate) mod deadline;
pub(crate) mod encoded_slashes;
pub(crate) mod http_1_0;
pub(crate) mod request_log;
pub(crate) mod security_headers;
pub(crate) mod unread_body;
