//! Middleware around every request.

pub(crate) mod compression;
pub(crate) mod cors;
pub(crate) mod deadline;
pub(crate) mod request_log;
pub(crate) mod security_headers;
pub(crate) mod unread_body;
