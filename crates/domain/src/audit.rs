//! Events of the audit trail.

use std::fmt;
use std::net::IpAddr;

use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{AccessTokenSerial, InstanceId, OtpDeviceId, Permission, Timestamp, TokenScope};

/// A record of an operation on an instance: actor, time, address and outcome. Contains no secrets.
///
/// ```
/// use merchant_otp_domain::{Actor, AuditEvent, InstanceId, Operation, Outcome, Timestamp};
///
/// let event = AuditEvent {
///     time: Timestamp::EPOCH,
///     instance: InstanceId::admin(),
///     actor: Actor::Operator,
///     address: None,
///     operation: Operation::RenameInstance,
///     device: None,
///     access_token: None,
///     outcome: Outcome::Done,
///     unrecorded: 0,
/// };
/// assert_eq!(event.operation.name(), "instance.rename");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// The time of the operation.
    pub time: Timestamp,
    /// The instance that the operation acted on.
    pub instance: InstanceId,
    /// The actor.
    pub actor: Actor,
    /// The address of the client; `None` if it is unknown.
    pub address: Option<IpAddr>,
    /// The operation.
    pub operation: Operation,
    /// The device that the operation acted on, if any.
    pub device: Option<OtpDeviceId>,
    /// The access token that was issued or revoked, if any.
    pub access_token: Option<AccessTokenSerial>,
    /// The outcome.
    pub outcome: Outcome,
    /// The number of earlier refusals that were not recorded, because they exceeded the quota.
    pub unrecorded: u32,
}

/// The actor of an operation.
///
/// ```
/// use merchant_otp_domain::Actor;
///
/// assert_eq!(Actor::from_parts("operator", None), Ok(Actor::Operator));
/// assert!(Actor::from_parts("token", None).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An unknown client: its credentials were refused.
    Unknown,
    /// The operator, on the command line.
    Operator,
    /// A client that authenticated with the password of the instance.
    Password,
    /// A client that authenticated with an access token.
    Token {
        /// The serial of the token.
        serial: AccessTokenSerial,
        /// What the token allows.
        scope: TokenScope,
    },
}

impl Actor {
    /// The kind of the actor: `unknown`, `operator`, `password` or `token`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Operator => "operator",
            Self::Password => "password",
            Self::Token { .. } => "token",
        }
    }

    /// Creates an actor from its kind, and from its token if the kind is `token`.
    ///
    /// # Errors
    ///
    /// If the kind is unknown, `token` comes without a token, or another kind comes with one.
    pub fn from_parts(
        kind: &str,
        token: Option<(AccessTokenSerial, TokenScope)>,
    ) -> Result<Self, AuditEventError> {
        match (kind, token) {
            ("unknown", None) => Ok(Self::Unknown),
            ("operator", None) => Ok(Self::Operator),
            ("password", None) => Ok(Self::Password),
            ("token", Some((serial, scope))) => Ok(Self::Token { serial, scope }),
            _ => Err(AuditEventError),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind())?;
        if let Self::Token { serial, scope } = self {
            write!(formatter, " {serial} ({scope})")?;
        }
        Ok(())
    }
}

/// An operation on an instance.
///
/// ```
/// use merchant_otp_domain::{Operation, Permission};
///
/// assert_eq!(Operation::from_name("otp-device.add"), Ok(Operation::AddOtpDevice));
/// assert_eq!(Operation::Use(Permission::OrdersRead).name(), "orders-read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `otp-device.add`
    AddOtpDevice,
    /// `otp-device.change`
    ChangeOtpDevice,
    /// `otp-device.remove`
    RemoveOtpDevice,
    /// `access-token.issue`
    IssueAccessToken,
    /// `access-token.revoke`
    RevokeAccessToken,
    /// `access-token.revoke-all`
    RevokeAllAccessTokens,
    /// `instance.log-in`
    LogIn,
    /// `instance.add`
    AddInstance,
    /// `instance.rename`
    RenameInstance,
    /// `instance.change`: its settings, and perhaps its name
    ChangeInstance,
    /// `instance.set-password`
    SetPassword,
    /// `instance.delete`
    DeleteInstance,
    /// `instance.purge`
    PurgeInstance,
    /// A refused operation that needs this permission; its name is that of the permission.
    Use(Permission),
}

impl Operation {
    /// The operations that have names of their own.
    const NAMED: [Self; 13] = [
        Self::AddOtpDevice,
        Self::ChangeOtpDevice,
        Self::RemoveOtpDevice,
        Self::IssueAccessToken,
        Self::RevokeAccessToken,
        Self::RevokeAllAccessTokens,
        Self::LogIn,
        Self::AddInstance,
        Self::RenameInstance,
        Self::ChangeInstance,
        Self::SetPassword,
        Self::DeleteInstance,
        Self::PurgeInstance,
    ];

    /// The name of the operation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AddOtpDevice => "otp-device.add",
            Self::ChangeOtpDevice => "otp-device.change",
            Self::RemoveOtpDevice => "otp-device.remove",
            Self::IssueAccessToken => "access-token.issue",
            Self::RevokeAccessToken => "access-token.revoke",
            Self::RevokeAllAccessTokens => "access-token.revoke-all",
            Self::LogIn => "instance.log-in",
            Self::AddInstance => "instance.add",
            Self::RenameInstance => "instance.rename",
            Self::ChangeInstance => "instance.change",
            Self::SetPassword => "instance.set-password",
            Self::DeleteInstance => "instance.delete",
            Self::PurgeInstance => "instance.purge",
            Self::Use(permission) => permission.name(),
        }
    }

    /// Finds an operation by its name.
    ///
    /// # Errors
    ///
    /// If no operation has the name.
    pub fn from_name(name: &str) -> Result<Self, AuditEventError> {
        Self::NAMED
            .into_iter()
            .chain(Permission::ALL.iter().copied().map(Self::Use))
            .find(|operation| operation.name() == name)
            .ok_or(AuditEventError)
    }
}

/// The outcome of an operation.
///
/// ```
/// use merchant_otp_domain::Outcome;
///
/// assert_eq!(Outcome::NotFound.name(), "not-found");
/// assert_eq!(Outcome::from_name("not-found"), Ok(Outcome::NotFound));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Outcome {
    /// `done`
    Done,
    /// `unchanged`: the change had been made before.
    Unchanged,
    /// `conflict`: the request contradicts existing data.
    Conflict,
    /// `not-found`: the object of the operation does not exist.
    NotFound,
    /// `invalid`: the result would violate a rule.
    Invalid,
    /// `unauthorized`: the credentials are not valid.
    Unauthorized,
    /// `forbidden`: the credentials do not allow it.
    Forbidden,
    /// `throttled`: there were too many attempts.
    Throttled,
    /// `failed`: the service failed, or the outcome is unknown.
    Failed,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name of the outcome.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Finds an outcome by its name.
    ///
    /// # Errors
    ///
    /// If no outcome has the name.
    pub fn from_name(name: &str) -> Result<Self, AuditEventError> {
        Self::ALL.iter().copied().find(|outcome| outcome.name() == name).ok_or(AuditEventError)
    }
}

/// Error returned for an unknown actor, operation or outcome of an [`AuditEvent`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no audit event has such an actor, operation or outcome")]
pub struct AuditEventError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    #[test]
    fn names_lead_back() {
        for operation in
            Operation::NAMED.into_iter().chain(Permission::ALL.iter().copied().map(Operation::Use))
        {
            assert_eq!(Operation::from_name(operation.name()), Ok(operation));
        }
        for &outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Ok(outcome));
        }
        assert_eq!(Operation::from_name("otp-device"), Err(AuditEventError));
        assert_eq!(Outcome::from_name("Done"), Err(AuditEventError));
    }

    #[test]
    fn an_actor_has_a_token_or_none() {
        let serial = AccessTokenSerial::new(7).unwrap();
        let scope = TokenScope { scope: Scope::All, refreshable: true };
        let token = Actor::Token { serial, scope };
        assert_eq!(token.to_string(), "token 7 (all:refreshable)");
        for actor in [Actor::Unknown, Actor::Operator, Actor::Password] {
            assert_eq!(Actor::from_parts(actor.kind(), None), Ok(actor));
            assert_eq!(actor.to_string(), actor.kind());
            assert!(Actor::from_parts(actor.kind(), Some((serial, scope))).is_err());
        }
        assert_eq!(Actor::from_parts("token", Some((serial, scope))), Ok(token));
        assert!(Actor::from_parts("token", None).is_err());
    }
}
