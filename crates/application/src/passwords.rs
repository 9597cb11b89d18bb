//! Log-in with a password, and changing the password of an instance.

use std::net::IpAddr;

use merchant_otp_domain::{
    Actor, AuditEvent, InstanceId, Operation, Outcome, Password, PasswordHash, Permission, Scope,
};

use crate::caller::Caller;
use crate::retry::retry_contention;
use crate::{Error, Grant, LogIn, Presented, Refusal, Service};

impl Service {
    /// Logs in to an instance with its password; `user` must be its id.
    ///
    /// A presented access token is ignored. Failed attempts are limited, per instance and per
    /// client address. Neither a refusal nor its timing reveals whether the instance has a
    /// password.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::TooManyLogIns`],
    /// [`Error::TooManyPasswords`], [`Error::Unauthorized`], [`Error::PasswordWork`] or
    /// [`Error::Storage`].
    pub async fn log_in_with_password(
        &self,
        presented: Presented<'_>,
        user: &str,
        password: Password,
    ) -> Result<LogIn, Error> {
        let (instance, address) = (presented.instance()?, presented.address);
        match self.check_password(&instance, user, password, address).await {
            Ok(()) => {
                let caller = Caller { actor: Actor::Password, address };
                Ok(LogIn { instance, scope: Scope::All, caller })
            }
            Err(error) => {
                let event = self.event(Caller::unknown(address), &instance, Operation::LogIn);
                Err(self.record_refusal(event, error).await)
            }
        }
    }

    async fn check_password(
        &self,
        instance: &InstanceId,
        user: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let stored = self.stored_instance(instance).await?.password;
        let throttle = &self.passwords.throttle;
        // A client that is going to be refused need not wait for a permit.
        throttle.check(instance, stored.as_ref(), address)?;
        let permit = self.passwords.acquire(instance).await?;
        // Read it again: the password may have been changed during the wait.
        let stored = self.stored_instance(instance).await?.password;
        let attempt = throttle.attempt(instance, stored.as_ref(), address)?;
        let has_password = stored.is_some();
        let hash = stored.unwrap_or_else(PasswordHash::decoy);
        let is_right = permit.run(move || hash.verifies(&password)).await?;
        if !is_right || !has_password || user != instance.as_str() {
            return Err(Error::Unauthorized(Refusal::Password));
        }
        attempt.succeeded();
        Ok(())
    }

    /// Sets or replaces the password of the grant's instance.
    ///
    /// Access tokens that were issued before stay valid.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesAuthWrite`],
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::TooManyPasswords`],
    /// [`Error::PasswordWork`], [`Error::NoRandomness`] or [`Error::Storage`].
    pub async fn set_password(&self, grant: &Grant, password: Password) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::InstancesAuthWrite)?;
        let event = self.event(grant.caller, instance, Operation::SetPassword);
        let set = self.replace_password(instance, password, &event).await;
        self.record_outcome(event, set).await
    }

    async fn replace_password(
        &self,
        instance: &InstanceId,
        password: Password,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        self.stored_instance(instance).await?;
        let hash = self.passwords.hash(instance, password).await?;
        let set = || self.stores.instances.set_password(instance, hash.clone(), event);
        self.changed(instance, retry_contention(set).await?).await
    }
}
