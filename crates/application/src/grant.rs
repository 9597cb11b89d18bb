//! Grants: the rights that use cases require.

use std::time::Duration;

use merchant_otp_domain::{AccessTokenDigest, InstanceId, Permission, Scope};
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
    /// The token that it was granted by; `None` for the operator.
    pub(crate) token: Option<GrantingToken>,
}

/// The access token that a right was granted by, and the time of its look-up.
#[derive(Clone, Debug)]
pub(crate) struct GrantingToken {
    pub(crate) instance: InstanceId,
    pub(crate) digest: AccessTokenDigest,
    pub(crate) found_at: Instant,
}

impl Grant {
    /// Returns the instance that the grant applies to.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Whether the token was looked up longer than `age` ago. A grant of the operator has no token
    /// and never ages.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.token.as_ref().is_some_and(|token| token.found_at.elapsed() > age)
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
}
