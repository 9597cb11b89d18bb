//! Authorization: turns what a client presents into a grant or a refusal.

use std::net::IpAddr;

use merchant_otp_domain::{AccessTokenDigest, InstanceId, Operation, Permission};
use merchant_otp_ports::{AccessTokenLookup, StoredAccessToken, StoredInstance};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::grant::GrantingToken;
use crate::retry::retry_contention;
use crate::{Error, Grant, ManagementGrant, Presented, Refusal, Service};

impl Service {
    /// Checks that the client has a permission on the addressed instance.
    ///
    /// As in the protocol, an unknown instance is reported before the credentials are checked.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::Unauthorized`],
    /// [`Error::PermissionMissing`], or [`Error::Storage`].
    pub async fn authorize(
        &self,
        presented: Presented<'_>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let instance = presented.instance()?;
        self.grant(instance, presented.token(), presented.address, permission).await
    }

    /// Checks that the client has a permission on all instances, by a token of `admin`.
    ///
    /// The addressed instance does not matter.
    ///
    /// # Errors
    ///
    /// Same as [`Service::authorize`] for the instance `admin`.
    pub async fn authorize_management(
        &self,
        presented: Presented<'_>,
        permission: Permission,
    ) -> Result<ManagementGrant, Error> {
        let grant = self.authorize(presented.to_admin(), permission).await?;
        Ok(ManagementGrant { permission, caller: grant.caller })
    }

    /// Checks that the client has a permission on the addressed instance, by a token of `admin`.
    /// The addressed instance need not exist.
    ///
    /// # Errors
    ///
    /// Same as [`Service::authorize_management`], and [`Error::InstanceUnknown`] if the addressed
    /// instance is not a valid id.
    pub async fn authorize_manager(
        &self,
        presented: Presented<'_>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let grant = self.authorize(presented.to_admin(), permission).await?;
        Ok(Grant { instance: presented.instance()?, ..grant })
    }

    /// Looks up the token of a grant again: it may have been revoked in the meantime.
    pub(crate) async fn renew(&self, grant: &Grant) -> Result<Grant, Error> {
        let Some(token) = &grant.token else { return Ok(grant.clone()) };
        let (address, permission) = (grant.caller.address, grant.permission);
        let token_instance = token.instance.clone();
        let renewed = self.grant(token_instance, Some(token.digest), address, permission).await?;
        Ok(Grant { instance: grant.instance.clone(), ..renewed })
    }

    async fn grant(
        &self,
        instance: InstanceId,
        token: Option<AccessTokenDigest>,
        address: Option<IpAddr>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let operation = Operation::Use(permission);
        let found_at = Instant::now();
        let found = self.authenticate(&instance, token, address, operation).await?;
        let caller = Caller::with_token(&found, address);
        if !found.info.scope.permits(permission) {
            let error = Error::PermissionMissing(permission);
            return Err(self.record_refusal(self.event(caller, &instance, operation), error).await);
        }
        let token =
            token.map(|digest| GrantingToken { instance: instance.clone(), digest, found_at });
        Ok(Grant { instance, permission, caller, token })
    }

    /// Returns the valid token that a client presented to an instance. Records a refusal of the
    /// operation otherwise.
    pub(crate) async fn authenticate(
        &self,
        instance: &InstanceId,
        token: Option<AccessTokenDigest>,
        address: Option<IpAddr>,
        operation: Operation,
    ) -> Result<StoredAccessToken, Error> {
        match self.valid_token(instance, token).await {
            Err(error @ Error::Unauthorized(_)) => {
                let caller = Caller::unknown(address);
                Err(self.record_refusal(self.event(caller, instance, operation), error).await)
            }
            found => found,
        }
    }

    async fn valid_token(
        &self,
        instance: &InstanceId,
        token: Option<AccessTokenDigest>,
    ) -> Result<StoredAccessToken, Error> {
        let Some(digest) = token else {
            self.stored_instance(instance).await?;
            return Err(Error::Unauthorized(Refusal::Missing));
        };
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

    /// Returns the instance with this id, unless it is unknown or deleted.
    pub(crate) async fn stored_instance(&self, id: &InstanceId) -> Result<StoredInstance, Error> {
        match retry_contention(|| self.stores.instances.find(id)).await? {
            None => Err(Error::InstanceUnknown),
            Some(stored) if stored.deleted => Err(Error::InstanceDeleted),
            Some(stored) => Ok(stored),
        }
    }
}
