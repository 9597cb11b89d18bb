//! Grants: the rights that use cases require.

use std::time::Duration;

use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenSerial, InstanceId, Lifetime, PasswordHash, Permission, Scope,
};
use tokio::time::Instant;

use crate::Error;
use crate::caller::Caller;

/// The right to use one permission on one instance.
///
/// Created by [`Service::authorize`](crate::Service::authorize) for clients.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) instance: InstanceId,
    pub(crate) permission: Permission,
    pub(crate) caller: Caller,
    /// What it was granted by; `None` for the operator.
    pub(crate) basis: Option<GrantBasis>,
}

/// The credentials that a right was granted by, and the time when they were checked.
#[derive(Clone, Debug)]
pub(crate) struct GrantBasis {
    pub(crate) instance: InstanceId,
    pub(crate) credentials: CheckedCredentials,
    pub(crate) checked_at: Instant,
}

/// Credentials that were valid when they were checked.
#[derive(Clone, Debug)]
pub(crate) enum CheckedCredentials {
    /// The digest of an access token.
    Token(AccessTokenDigest),
    /// The hash of the password that was right.
    Password(PasswordHash),
}

impl Grant {
    /// Creates a grant by credentials that were checked just now.
    pub(crate) fn new(
        instance: InstanceId,
        permission: Permission,
        caller: Caller,
        credentials: CheckedCredentials,
    ) -> Self {
        let checked_at = Instant::now();
        let basis = Some(GrantBasis { instance: instance.clone(), credentials, checked_at });
        Self { instance, permission, caller, basis }
    }

    /// Returns the instance that the grant applies to.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Whether the credentials were checked longer than `age` ago. A grant of the operator has
    /// none and never ages.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.basis.as_ref().is_some_and(|basis| basis.checked_at.elapsed() > age)
    }

    /// Returns the instance if this permission was granted.
    pub(crate) fn instance_for(&self, permission: Permission) -> Result<&InstanceId, Error> {
        if self.permission == permission {
            Ok(&self.instance)
        } else {
            Err(Error::PermissionMissing(permission))
        }
    }
}

/// The right to use one permission on all instances. Tokens of the instance `admin` have it.
///
/// Created by [`Service::authorize_management`](crate::Service::authorize_management) for clients.
#[derive(Clone, Copy, Debug)]
pub struct ManagementGrant {
    pub(crate) permission: Permission,
    pub(crate) caller: Caller,
}

impl ManagementGrant {
    /// Checks that this permission was granted.
    pub(crate) fn has(self, permission: Permission) -> Result<(), Error> {
        if self.permission == permission {
            Ok(())
        } else {
            Err(Error::PermissionMissing(permission))
        }
    }
}

/// The right to issue access tokens for an instance.
#[derive(Debug)]
pub struct LogIn {
    pub(crate) instance: InstanceId,
    /// The widest scope that an issued token may have.
    pub(crate) scope: Scope,
    pub(crate) caller: Caller,
    /// What must still hold when a token is issued.
    pub(crate) basis: LogInBasis,
}

/// What a client logged in with.
#[derive(Clone, Debug)]
pub(crate) enum LogInBasis {
    Operator,
    Password(PasswordHash),
    Token {
        serial: AccessTokenSerial,
        /// The lifetime with which it was issued.
        lifetime: Lifetime,
    },
}
