//! Events of the audit trail.

use std::fmt;
use std::net::IpAddr;

use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{AccessTokenSerial, InstanceId, OtpDeviceId, Permission, Timestamp, TokenScope};

/// An operation on an instance: actor, time, address and outcome. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it was done.
    pub time: Timestamp,
    /// The instance that it was done to.
    pub instance: InstanceId,
    /// The actor.
    pub actor: Actor,
    /// From where; `None` if that is not known.
    pub address: Option<IpAddr>,
    /// The operation.
    pub operation: Operation,
    /// The device that it was done to, if it is one.
    pub device: Option<OtpDeviceId>,
    /// The access token that was issued or revoked, if one was.
    pub access_token: Option<AccessTokenSerial>,
    /// The outcome.
    pub outcome: Outcome,
    /// The number of earlier refusals that were not recorded, because there were too many at a
    /// time.
    pub unrecorded: u32,
}

/// The actor of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An unknown client: its credentials were refused.
    Unknown,
    /// The operator, on the command line.
    Operator,
    /// A client with the password of the instance.
    Password,
    /// A client with an access token.
    Token {
        /// The number of the token.
        serial: AccessTokenSerial,
        /// What the token allows.
        scope: TokenScope,
    },
}

impl Actor {
    /// What kind of actor it is: `unknown`, `operator`, `password` or `token`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Operator => "operator",
            Self::Password => "password",
            Self::Token { .. } => "token",
        }
    }

    /// The actor of a kind, and of a token if it is one.
    ///
    /// # Errors
    ///
    /// If there is no such kind, or a token where none belongs, or none where one does.
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
    /// `instance.log-in`
    LogIn,
    /// `instance.add`
    AddInstance,
    /// `instance.rename`
    RenameInstance,
    /// `instance.set-password`
    SetPassword,
    /// `instance.delete`
    DeleteInstance,
    /// `instance.purge`
    PurgeInstance,
    /// Something that needs a permission, and was refused; the name is that of the permission.
    Use(Permission),
}

impl Operation {
    /// The operations that do not go by a permission.
    const NAMED: [Self; 11] = [
        Self::AddOtpDevice,
        Self::ChangeOtpDevice,
        Self::RemoveOtpDevice,
        Self::IssueAccessToken,
        Self::RevokeAccessToken,
        Self::LogIn,
        Self::AddInstance,
        Self::RenameInstance,
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
            Self::LogIn => "instance.log-in",
            Self::AddInstance => "instance.add",
            Self::RenameInstance => "instance.rename",
            Self::SetPassword => "instance.set-password",
            Self::DeleteInstance => "instance.delete",
            Self::PurgeInstance => "instance.purge",
            Self::Use(permission) => permission.name(),
        }
    }

    /// The operation of a name.
    ///
    /// # Errors
    ///
    /// If none has it.
    pub fn from_name(name: &str) -> Result<Self, AuditEventError> {
        Self::NAMED
            .into_iter()
            .chain(Permission::ALL.iter().copied().map(Self::Use))
            .find(|operation| operation.name() == name)
            .ok_or(AuditEventError)
    }
}

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Outcome {
    /// `done`
    Done,
    /// `unchanged`: what was to be done was done before.
    Unchanged,
    /// `conflict`: it contradicts what exists.
    Conflict,
    /// `not-found`: what it was to be done to is not there.
    NotFound,
    /// `invalid`: it would break a rule.
    Invalid,
    /// `unauthorized`: the credentials are not good.
    Unauthorized,
    /// `forbidden`: the credentials do not allow it.
    Forbidden,
    /// `throttled`: there were too many attempts.
    Throttled,
    /// `failed`: the service could not do it, or does not know whether it did.
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

    /// The outcome of a name.
    ///
    /// # Errors
    ///
    /// If none has it.
    pub fn from_name(name: &str) -> Result<Self, AuditEventError> {
        Self::ALL.iter().copied().find(|outcome| outcome.name() == name).ok_or(AuditEventError)
    }
}

/// A text that is no part of an [`AuditEvent`].
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
