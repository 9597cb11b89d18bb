//! Authorization: turns what a client presents into a grant or a refusal.

use std::net::IpAddr;

use merchant_otp_domain::{AccessTokenDigest, Actor, InstanceId, Operation, Permission};
use merchant_otp_ports::{AccessTokenLookup, StoredAccessToken, StoredInstance};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::grant::{CheckedCredentials, GrantBasis};
use crate::presented::Credentials;
use crate::retry::retry_contention;
use crate::{Error, Grant, ManagementGrant, Presented, Refusal, Service};

impl Service {
    /// Checks that the client has a permission on the addressed instance. The password of the
    /// instance has all permissions.
    ///
    /// As in the protocol, an unknown instance is reported before the credentials are checked.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::Unauthorized`],
    /// [`Error::PermissionMissing`], [`Error::TooManyLogIns`], [`Error::TooManyPasswords`],
    /// [`Error::PasswordWork`] or [`Error::Storage`].
    pub async fn authorize(
        &self,
        presented: Presented<'_>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let instance = presented.instance()?;
        let operation = Operation::Use(permission);
        let address = presented.address;
        match presented.credentials() {
            Some(Credentials::Password(password)) if self.password_use.is_everywhere() => {
                let hash = self.check_bearer_password(&instance, password, address).await?;
                let caller = Caller { actor: Actor::Password, address };
                let credentials = CheckedCredentials::Password(hash);
                Ok(Grant::new(instance, permission, caller, credentials))
            }
            Some(Credentials::Token(digest)) => {
                self.grant(instance, digest, address, permission).await
            }
            Some(Credentials::Password(_)) | None => {
                // An unknown instance is reported before the credentials.
                self.stored_instance(&instance).await?;
                let error = Error::Unauthorized(Refusal::Missing);
                let event = self.event(Caller::unknown(address), &instance, operation);
                Err(self.record_refusal(event, error).await)
            }
        }
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

    /// Checks the credentials of a grant again: they may have been revoked in the meantime.
    pub(crate) async fn renew(&self, grant: &Grant) -> Result<Grant, Error> {
        let Some(basis) = &grant.basis else { return Ok(grant.clone()) };
        let (address, permission) = (grant.caller.address, grant.permission);
        let instance = basis.instance.clone();
        let renewed = match &basis.credentials {
            CheckedCredentials::Token(digest) => {
                self.grant(instance, *digest, address, permission).await?
            }
            CheckedCredentials::Password(hash) => {
                if self.stored_instance(&instance).await?.password.as_ref() != Some(hash) {
                    return Err(Error::Unauthorized(Refusal::Password));
                }
                let credentials = CheckedCredentials::Password(hash.clone());
                Grant::new(instance, permission, grant.caller, credentials)
            }
        };
        Ok(Grant { instance: grant.instance.clone(), ..renewed })
    }

    async fn grant(
        &self,
        instance: InstanceId,
        digest: AccessTokenDigest,
        address: Option<IpAddr>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let operation = Operation::Use(permission);
        // Before the look-up: a revocation during it must not be missed.
        let checked_at = Instant::now();
        let found = self.authenticate(&instance, Some(digest), address, operation).await?;
        let caller = Caller::with_token(&found, address);
        if !found.info.scope.permits(permission) {
            let error = Error::PermissionMissing(permission);
            return Err(self.record_refusal(self.event(caller, &instance, operation), error).await);
        }
        let credentials = CheckedCredentials::Token(digest);
        let basis = Some(GrantBasis { instance: instance.clone(), credentials, checked_at });
        Ok(Grant { instance, permission, caller, basis })
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
