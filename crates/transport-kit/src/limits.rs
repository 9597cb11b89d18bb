//! The limits of the service.

use std::time::Duration;

/// The limits of the service, which every transport enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum size of a request body in bytes, both as sent and decompressed.
    pub max_body_bytes: usize,
    /// How long a request body may take to arrive.
    pub body_deadline: Duration,
    /// The maximum number of client connections that a transport serves at a time.
    pub max_connections: usize,
    /// How long a request may take, from the end of its body to the head of its response.
    pub request_deadline: Duration,
    /// How long a client may read nothing of a response that is written in parts.
    pub stall_timeout: Duration,
    /// How long requests in flight may take after a shutdown began.
    pub shutdown_grace: Duration,
}
