use std::net::IpAddr;

use merchant_otp_domain::{AccessToken, InstanceId, Operation, Permission};
use merchant_otp_ports::{AccessTokenLookup, StoredAccessToken, StoredInstance};

use crate::audit::Caller;
use crate::retry::retry_contention;
use crate::{Error, Refusal, Service};

/// The right to use one permission on one instance.
///
/// Made by [`Service::authorize`] for clients, and by [`Service::trust_operator`] for whoever may read
/// the database anyway.
#[derive(Debug)]
pub struct Grant {
    instance: InstanceId,
    permission: Permission,
    caller: Caller,
}

impl Grant {
    /// The instance it is good for.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Who has the right.
    pub(crate) fn caller(&self) -> Caller {
        self.caller
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
/// Made by [`Service::authorize_management`] for clients, and by
/// [`Service::trust_operator_to_manage`] for whoever may read the database anyway.
#[derive(Clone, Copy, Debug)]
pub struct ManagementGrant {
    permission: Permission,
    caller: Caller,
}

impl ManagementGrant {
    /// The right to use the permission on one instance, whether it is there or not.
    #[must_use]
    pub fn on(self, instance: InstanceId) -> Grant {
        Grant { instance, permission: self.permission, caller: self.caller }
    }

    /// Who has the right.
    pub(crate) fn caller(self) -> Caller {
        self.caller
    }

    /// Checks that this is the permission that was granted.
    pub(crate) fn has(self, permission: Permission) -> Result<(), Error> {
        if self.permission == permission {
            Ok(())
        } else {
            Err(Error::PermissionMissing(permission))
        }
    }
}

impl Service {
    /// Checks that a client may use a permission on an instance.
    ///
    /// `token` is what the client presented; `None` if that was nothing, or nothing that can be read.
    /// `address` is where it comes from, if that is known.
    /// An unknown instance is told before the credentials are looked at, as the protocol does.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::Unauthorized`],
    /// [`Error::PermissionMissing`], or [`Error::Storage`].
    pub async fn authorize(
        &self,
        instance: &InstanceId,
        token: Option<&AccessToken>,
        address: Option<IpAddr>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let operation = Operation::Use(permission);
        let token = self.authenticate(instance, token, address, operation).await?;
        let caller = Caller::with_token(&token, address);
        if !token.info.scope.permits(permission) {
            let error = Error::PermissionMissing(permission);
            return Err(self.refused(self.event(caller, instance, operation), error).await);
        }
        Ok(Grant { instance: instance.clone(), permission, caller })
    }

    /// Checks that a client may use a permission on all instances: with a token of `admin`.
    ///
    /// # Errors
    ///
    /// As [`Service::authorize`]; the instance is `admin`.
    pub async fn authorize_management(
        &self,
        token: Option<&AccessToken>,
        address: Option<IpAddr>,
        permission: Permission,
    ) -> Result<ManagementGrant, Error> {
        let grant = self.authorize(&InstanceId::admin(), token, address, permission).await?;
        Ok(ManagementGrant { permission, caller: grant.caller })
    }

    /// Grants a permission on an instance to the operator of the service, without credentials.
    ///
    /// For the command line, which opens the database with the rights of whoever runs it. A transport
    /// never calls this.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn trust_operator(
        &self,
        instance: &InstanceId,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let stored = self.stored_instance(instance).await?;
        Ok(Grant { instance: stored.instance.id, permission, caller: Caller::OPERATOR })
    }

    /// Grants a permission on all instances to the operator of the service, without credentials.
    ///
    /// For the command line, as [`Service::trust_operator`].
    #[must_use]
    pub fn trust_operator_to_manage(&self, permission: Permission) -> ManagementGrant {
        ManagementGrant { permission, caller: Caller::OPERATOR }
    }

    /// The valid token of an instance that a client presented, for an operation.
    pub(crate) async fn authenticate(
        &self,
        instance: &InstanceId,
        token: Option<&AccessToken>,
        address: Option<IpAddr>,
        operation: Operation,
    ) -> Result<StoredAccessToken, Error> {
        match self.valid_token(instance, token).await {
            Err(error @ Error::Unauthorized(_)) => {
                let caller = Caller::unknown(address);
                Err(self.refused(self.event(caller, instance, operation), error).await)
            }
            found => found,
        }
    }

    async fn valid_token(
        &self,
        instance: &InstanceId,
        token: Option<&AccessToken>,
    ) -> Result<StoredAccessToken, Error> {
        let Some(token) = token else {
            self.stored_instance(instance).await?;
            return Err(Error::Unauthorized(Refusal::Missing));
        };
        let digest = token.digest();
        let find = || self.stores.access_tokens.find(instance, &digest);
        let token = match retry_contention(find).await? {
            AccessTokenLookup::Found(token) => token,
            AccessTokenLookup::NotFound => return Err(Error::Unauthorized(Refusal::Unknown)),
            AccessTokenLookup::InstanceDeleted => return Err(Error::InstanceDeleted),
            AccessTokenLookup::NoSuchInstance => return Err(Error::InstanceUnknown),
        };
        if token.info.expiration.is_over(self.clock.now()) {
            return Err(Error::Unauthorized(Refusal::Expired));
        }
        Ok(token)
    }

    /// The instance of an id, if it is there and not deleted.
    pub(crate) async fn stored_instance(&self, id: &InstanceId) -> Result<StoredInstance, Error> {
        match retry_contention(|| self.stores.instances.find(id)).await? {
            None => Err(Error::InstanceUnknown),
            Some(stored) if stored.deleted => Err(Error::InstanceDeleted),
            Some(stored) => Ok(stored),
        }
    }
}
