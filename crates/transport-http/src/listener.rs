//! Connections, and the workers that serve them.

pub(crate) mod connection;
pub(crate) mod per_worker;
