//! Log-in with a password, and changing the password of an instance.

use std::net::IpAddr;

use merchant_otp_domain::{
    Actor, AuditEvent, InstanceId, Operation, Outcome, Password, PasswordHash, Permission, Scope,
};

use crate::caller::Caller;
use crate::grant::LogInBasis;
use crate::retry::retry_contention;
use crate::{Error, Grant, LogIn, Presented, Refusal, Service};

/// A change of the password of an instance.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The new password.
    pub password: Password,
    /// The old password, which is checked if it is present.
    pub old: Option<Password>,
    /// Whether to revoke all access tokens in the same transaction.
    pub revoke_tokens: bool,
}

impl PasswordChange {
    /// A change that keeps the access tokens and has no old password.
    #[must_use]
    pub fn to(password: Password) -> Self {
        Self { password, old: None, revoke_tokens: false }
    }
}

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
        let hash = self.checked_password(&instance, user, password, address).await?;
        let caller = Caller { actor: Actor::Password, address };
        Ok(LogIn { instance, scope: Scope::All, caller, basis: LogInBasis::Password(hash) })
    }

    /// Checks a password that a client presents in place of an access token; returns its hash.
    ///
    /// A client may present it with every request. A password that was right is remembered for
    /// a minute, until it is changed.
    pub(crate) async fn check_bearer_password(
        &self,
        instance: &InstanceId,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<PasswordHash, Error> {
        let verified = &self.passwords.verified;
        if let Some(hash) = self.stored_instance(instance).await?.password
            && verified.contains(instance, &password, &hash)
        {
            return Ok(hash);
        }
        let presented = password.clone();
        let hash = self.checked_password(instance, instance.as_str(), password, address).await?;
        verified.insert(instance, &presented, &hash);
        Ok(hash)
    }

    /// Checks a name and a password; returns the hash of the password. Records a refusal.
    ///
    /// Runs as a separate task: a client that leaves after a guess must not keep it out of the
    /// trail.
    async fn checked_password(
        &self,
        instance: &InstanceId,
        user: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<PasswordHash, Error> {
        let (service, instance, user) = (self.clone(), instance.clone(), user.to_owned());
        let task = tokio::spawn(async move {
            match service.check_password(&instance, &user, password, address).await {
                Ok(hash) => Ok(hash),
                Err(error) => {
                    let event =
                        service.event(Caller::unknown(address), &instance, Operation::LogIn);
                    Err(service.record_refusal(event, error).await)
                }
            }
        });
        task.await.map_err(Error::PasswordWork)?
    }

    async fn check_password(
        &self,
        instance: &InstanceId,
        user: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<PasswordHash, Error> {
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
        let is_own_name = user == instance.as_str();
        if is_own_name && self.passwords.verified.contains(instance, &password, &hash) {
            // Another request with the password was checked during the wait.
            attempt.succeeded();
            return Ok(hash);
        }
        let checked = hash.clone();
        let is_right = permit.run(move || checked.verifies(&password)).await?;
        if !is_right || !has_password || !is_own_name {
            return Err(Error::Unauthorized(Refusal::Password));
        }
        attempt.succeeded();
        Ok(hash)
    }

    /// Sets or replaces the password of the grant's instance.
    ///
    /// Access tokens that were issued before stay valid, unless the change revokes them.
    ///
    /// # Errors
    ///
    /// [`Error::OldPassword`] if the change has a wrong old password, or has none although one is
    /// required; [`Error::TooManyLogIns`], [`Error::PermissionMissing`] if the grant is not for
    /// [`Permission::InstancesAuthWrite`], [`Error::InstanceUnknown`], [`Error::InstanceDeleted`],
    /// [`Error::TooManyPasswords`], [`Error::PasswordWork`], [`Error::NoRandomness`] or
    /// [`Error::Storage`].
    pub async fn set_password(&self, grant: &Grant, change: PasswordChange) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::InstancesAuthWrite)?;
        let event = self.event(grant.caller, instance, Operation::SetPassword);
        let set = self.replace_password(grant.caller, instance, change, &event).await;
        self.record_outcome(event, set).await
    }

    async fn replace_password(
        &self,
        caller: Caller,
        instance: &InstanceId,
        change: PasswordChange,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        let PasswordChange { password, old, revoke_tokens } = change;
        let stored = self.stored_instance(instance).await?;
        if let Some(old) = old {
            let checked = self.check_password(instance, instance.as_str(), old, caller.address);
            checked.await.map_err(|error| match error {
                Error::Unauthorized(_) => Error::OldPassword,
                error => error,
            })?;
        } else if self.requires_old_password
            && stored.password.is_some()
            && caller.actor != Actor::Operator
        {
            return Err(Error::OldPassword);
        }
        let hash = self.passwords.hash(instance, password).await?;
        let instances = &self.stores.instances;
        let set = if revoke_tokens {
            let revocation =
                AuditEvent { operation: Operation::RevokeAllAccessTokens, ..event.clone() };
            let reset = || instances.reset_password(instance, hash.clone(), event, &revocation);
            retry_contention(reset).await?
        } else {
            retry_contention(|| instances.set_password(instance, hash.clone(), event)).await?
        };
        self.changed(instance, set).await
    }
}
