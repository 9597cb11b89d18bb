//! The actor and the address of a request, for the audit trail.

use std::net::IpAddr;

use merchant_otp_domain::Actor;
use merchant_otp_ports::StoredAccessToken;

/// The actor of a request, and the address that it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    pub(crate) address: Option<IpAddr>,
}

impl Caller {
    pub(crate) const OPERATOR: Self = Self { actor: Actor::Operator, address: None };

    pub(crate) fn with_token(token: &StoredAccessToken, address: Option<IpAddr>) -> Self {
        let actor = Actor::Token { serial: token.serial, scope: token.info.scope };
        Self { actor, address }
    }

    pub(crate) fn unknown(address: Option<IpAddr>) -> Self {
        Self { actor: Actor::Unknown, address }
    }
}
