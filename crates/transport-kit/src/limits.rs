//! The limits of the service.

use std::time::Duration;

/// The limits of the service, which every transport enforces.
///
/// ```
/// use std::time::Duration;
///
/// use merchant_otp_transport_kit::Limits;
///
/// let limits = Limits {
///     max_body_bytes: 16 * 1024,
///     body_deadline: Duration::from_secs(15),
///     max_connections: 1000,
///     max_connections_per_address: 250,
///     request_deadline: Duration::from_secs(30),
///     stall_timeout: Duration::from_secs(60),
///     shutdown_grace: Duration::from_secs(10),
/// };
/// assert!(limits.body_deadline < limits.request_deadline);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum size of a request body in bytes, both as sent and decompressed.
    pub max_body_bytes: usize,
    /// How long a request body may take to arrive.
    pub body_deadline: Duration,
    /// The maximum number of client connections that a transport serves at a time.
    pub max_connections: usize,
    /// The maximum number of client connections of one address at a time, where addresses are those
    /// of clients.
    pub max_connections_per_address: usize,
    /// How long a request may take, from the end of its body to the head of its response.
    pub request_deadline: Duration,
    /// How long a client may read nothing of a response that is written in parts.
    pub stall_timeout: Duration,
    /// How long requests in flight may take after a shutdown began.
    pub shutdown_grace: Duration,
}
