//! The section `[limits]`: limits that apply to every transport.

use std::time::Duration;

use merchant_otp_transport_kit::Limits as ServiceLimits;
use serde::{Deserialize, Serialize};

use super::integer::Bounded;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Up to 64 MiB.
    max_body_bytes: Bounded<1, 67_108_864>,
    /// In seconds.
    body_deadline: Bounded<1, 3600>,
    max_connections: Bounded<1, 1_000_000>,
    /// 0 means a quarter of `max_connections`.
    max_connections_per_address: Bounded<0, 1_000_000>,
    /// In seconds.
    request_deadline: Bounded<1, 3600>,
    /// In seconds.
    stall_timeout: Bounded<1, 3600>,
    /// In seconds.
    shutdown_grace: Bounded<0, 3600>,
}

impl From<&Limits> for ServiceLimits {
    fn from(limits: &Limits) -> Self {
        let max_connections: usize = limits.max_connections.get_as();
        let per_address = match limits.max_connections_per_address.get_as() {
            0 => max_connections.div_ceil(4),
            per_address => per_address,
        };
        Self {
            max_body_bytes: limits.max_body_bytes.get_as(),
            body_deadline: Duration::from_secs(limits.body_deadline.get()),
            max_connections,
            max_connections_per_address: per_address,
            request_deadline: Duration::from_secs(limits.request_deadline.get()),
            stall_timeout: Duration::from_secs(limits.stall_timeout.get()),
            shutdown_grace: Duration::from_secs(limits.shutdown_grace.get()),
        }
    }
}
