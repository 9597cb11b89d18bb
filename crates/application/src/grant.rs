//! The rights that use cases ask for.

use std::time::Duration;

use merchant_otp_domain::{AccessTokenDigest, InstanceId, Permission, Scope};
use tokio::time::Instant;

use crate::Error;
use crate::caller::Caller;

/// The right to use one permission on one instance.
///
/// Made by [`Service::authorize`](crate::Service::authorize) for clients.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) instance: InstanceId,
    pub(crate) permission: Permission,
    pub(crate) caller: Caller,
    /// By what it was granted; `None` is the operator.
    pub(crate) token: Option<GrantingToken>,
}

/// The access token that a right was granted by, and when it was looked up.
#[derive(Clone, Debug)]
pub(crate) struct GrantingToken {
    pub(crate) instance: InstanceId,
    pub(crate) digest: AccessTokenDigest,
    pub(crate) found_at: Instant,
}

impl Grant {
    /// The instance it is good for.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Whether it was looked up longer ago; that of the operator need not be looked up again.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.token.as_ref().is_some_and(|token| token.found_at.elapsed() > age)
    }

    /// The instance, if this is the permission that was granted.
    pub(crate) fn instance_for(&self, permission: Permission) -> Result<&InstanceId, Error> {
        if self.permission == permission {
            Ok(&self.instance)
        } else {
            Err(Error::PermissionMissing(permission))
        }
    }
}

/// The right to use one permission on all instances, which the instance `admin` has.
///
/// Made by [`Service::authorize_management`](crate::Service::authorize_management) for clients.
#[derive(Clone, Copy, Debug)]
pub struct ManagementGrant {
    pub(crate) permission: Permission,
    pub(crate) caller: Caller,
}

impl ManagementGrant {
    /// Checks that this is the permission that was granted.
    pub(crate) fn has(self, permission: Permission) -> Result<(), Error> {
        if self.permission == permission {
            Ok(())
        } else {
            Err(Error::PermissionMissing(permission))
        }
    }
}

/// The right to access tokens of an instance.
#[derive(Debug)]
pub struct LogIn {
    pub(crate) instance: InstanceId,
    /// The tokens may do no more than this.
    pub(crate) scope: Scope,
    pub(crate) caller: Caller,
}
