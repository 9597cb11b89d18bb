use merchant_otp_domain::{AccessToken, InstanceId, Permission};
use merchant_otp_ports::AccessTokenLookup;

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
}

impl Grant {
    /// The instance it is good for.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
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

impl Service {
    /// Checks that a client may use a permission on an instance.
    ///
    /// `token` is what the client presented; `None` if that was nothing, or nothing that can be read.
    /// An unknown instance is told before the credentials are looked at, as the protocol does.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::Unauthorized`], [`Error::PermissionMissing`], or
    /// [`Error::Storage`].
    pub async fn authorize(
        &self,
        instance: &InstanceId,
        token: Option<&AccessToken>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let Some(token) = token else {
            let known =
                retry_contention(async || self.stores.instances.find(instance).await).await?;
            return Err(match known {
                Some(_) => Error::Unauthorized(Refusal::Missing),
                None => Error::InstanceUnknown,
            });
        };
        let digest = token.digest();
        let find = async || self.stores.access_tokens.find(instance, &digest).await;
        let token = match retry_contention(find).await? {
            AccessTokenLookup::Found(token) => token,
            AccessTokenLookup::Unknown => return Err(Error::Unauthorized(Refusal::Unknown)),
            AccessTokenLookup::NoSuchInstance => return Err(Error::InstanceUnknown),
        };
        if token.info.expiration.is_over(self.clock.now()) {
            return Err(Error::Unauthorized(Refusal::Expired));
        }
        if !token.info.scope.scope.permits(permission) {
            return Err(Error::PermissionMissing(permission));
        }
        Ok(Grant { instance: instance.clone(), permission })
    }

    /// Grants a permission on an instance to the operator of the service, without credentials.
    ///
    /// For the command line, which opens the database with the rights of whoever runs it. A transport
    /// never calls this.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::Storage`].
    pub async fn trust_operator(
        &self,
        instance: &InstanceId,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let instance = self.instance(instance).await?;
        Ok(Grant { instance: instance.id, permission })
    }
}
