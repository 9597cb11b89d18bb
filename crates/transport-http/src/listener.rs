//! Connections, and the workers that serve them.

mod client_stream;
pub(crate) mod connection;
pub(crate) mod per_worker;
pub(crate) mod serve;
