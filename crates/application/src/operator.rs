//! The rights of the operator, for the command line. The operator can read the database anyway.
//!
//! These rights require no credentials, so no transport may use this module; `tests/architecture/`
//! enforces this.

use merchant_otp_domain::{InstanceId, Lifetime, Permission, Scope, TokenScope};

use crate::caller::Caller;
use crate::grant::LogInBasis;
use crate::{Error, Grant, LogIn, ManagementGrant, Service};

/// The operator of a service, with every right.
#[derive(Clone, Copy)]
pub struct Operator<'a>(&'a Service);

impl<'a> Operator<'a> {
    /// Returns the operator of a service.
    #[must_use]
    pub fn of(service: &'a Service) -> Self {
        Self(service)
    }

    /// The lifetime of an access token for which the operator gives none: 30 days if it allows
    /// everything. Others do not expire, because tills keep them.
    #[must_use]
    pub fn token_lifetime(scope: TokenScope) -> Lifetime {
        match scope.scope {
            Scope::All => Lifetime::Seconds(30 * 24 * 60 * 60),
            Scope::ReadOnly
            | Scope::Write
            | Scope::OrderSimple
            | Scope::OrderPos
            | Scope::OrderMgmt
            | Scope::OrderFull => Lifetime::Forever,
        }
    }

    /// Grants a permission on an instance.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn grant(
        self,
        instance: &InstanceId,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let stored = self.0.stored_instance(instance).await?;
        Ok(self.grant_unchecked(stored.instance.id, permission))
    }

    /// Grants a permission on an instance, whether it exists or not.
    #[must_use]
    pub fn grant_unchecked(self, instance: InstanceId, permission: Permission) -> Grant {
        Grant { instance, permission, caller: Caller::OPERATOR, basis: None }
    }

    /// Grants a permission on all instances.
    #[must_use]
    pub fn grant_management(self, permission: Permission) -> ManagementGrant {
        ManagementGrant { permission, caller: Caller::OPERATOR }
    }

    /// Logs in to an instance.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn log_in(self, instance: &InstanceId) -> Result<LogIn, Error> {
        let instance = self.0.stored_instance(instance).await?.instance.id;
        let basis = LogInBasis::Operator;
        Ok(LogIn { instance, scope: Scope::All, caller: Caller::OPERATOR, basis })
    }
}
