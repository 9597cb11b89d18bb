//! The section `[limits]`: the limits of the service, which every transport keeps.

use std::time::Duration;

use anyhow::bail;
use merchant_otp_transport_kit::Limits as ServiceLimits;
use serde::{Deserialize, Serialize};

use super::integer;

const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;
const MAX_CONNECTIONS: u64 = 1_000_000;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    #[serde(deserialize_with = "integer::deserialize")]
    max_body_bytes: u64,
    #[serde(deserialize_with = "integer::deserialize")]
    max_connections: u64,
    /// In seconds.
    #[serde(deserialize_with = "integer::deserialize")]
    request_deadline: u64,
    /// In seconds.
    #[serde(deserialize_with = "integer::deserialize")]
    shutdown_grace: u64,
}

impl Limits {
    /// The limits, if they may be.
    pub(super) fn parse(&self) -> anyhow::Result<ServiceLimits> {
        Ok(ServiceLimits {
            max_body_bytes: match self.max_body_bytes {
                bytes @ 1..=MAX_BODY_BYTES => usize::try_from(bytes)?,
                _ => bail!("limits.max_body_bytes: it is 1 to {MAX_BODY_BYTES} bytes"),
            },
            max_connections: match self.max_connections {
                connections @ 1..=MAX_CONNECTIONS => usize::try_from(connections)?,
                _ => bail!("limits.max_connections: it is 1 to {MAX_CONNECTIONS}"),
            },
            request_deadline: match self.request_deadline {
                seconds @ 1..=3600 => Duration::from_secs(seconds),
                _ => bail!("limits.request_deadline: it is 1 to 3600 seconds"),
            },
            shutdown_grace: match self.shutdown_grace {
                seconds @ 0..=3600 => Duration::from_secs(seconds),
                _ => bail!("limits.shutdown_grace: it is 0 to 3600 seconds"),
            },
        })
    }
}
