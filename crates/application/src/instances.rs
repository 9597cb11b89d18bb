use merchant_otp_domain::{
    AccessTokenDescription, Instance, InstanceId, Lifetime, Scope, TokenScope,
};
use merchant_otp_ports::InstanceInsertion;

use crate::retry::retry_contention;
use crate::{Error, IssuedAccessToken, NewAccessToken, Service};

impl Service {
    /// Makes an instance.
    ///
    /// Making the same instance again is a success and changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceConflict`] if there is one with the same id and another name, or
    /// [`Error::Store`].
    pub async fn add_instance(&self, instance: Instance) -> Result<(), Error> {
        let insert = async || self.stores.instances.insert(instance.clone()).await;
        match retry_contention(insert).await? {
            InstanceInsertion::Stored => Ok(()),
            InstanceInsertion::Exists(existing) if existing == instance => Ok(()),
            InstanceInsertion::Exists(_) => Err(Error::InstanceConflict),
        }
    }

    /// All instances, ordered by id.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn list_instances(&self) -> Result<Vec<Instance>, Error> {
        Ok(retry_contention(async || self.stores.instances.list().await).await?)
    }

    /// Removes an instance with its devices and access tokens.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::Store`].
    pub async fn remove_instance(&self, id: &InstanceId) -> Result<(), Error> {
        let removed = retry_contention(async || self.stores.instances.remove(id).await).await?;
        if removed { Ok(()) } else { Err(Error::InstanceUnknown) }
    }

    /// Makes an empty database usable: the instance `admin`, and an access token for all of it.
    ///
    /// `None`, and nothing is done, if the database has any instance. If the process dies between the
    /// two, the instance is there without a token, and [`Service::issue_access_token`] makes one.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] or [`Error::NoRandomness`].
    pub async fn bootstrap(&self) -> Result<Option<IssuedAccessToken>, Error> {
        if !self.list_instances().await?.is_empty() {
            return Ok(None);
        }
        let admin = Instance::admin();
        self.add_instance(admin.clone()).await?;
        let token = NewAccessToken {
            scope: TokenScope { scope: Scope::All, refreshable: false },
            lifetime: Lifetime::Forever,
            description: AccessTokenDescription::default(),
        };
        self.issue_access_token(&admin.id, token).await.map(Some)
    }
}
