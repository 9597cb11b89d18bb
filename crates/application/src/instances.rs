use merchant_otp_domain::{Instance, InstanceId};
use merchant_otp_ports::InstanceInsertion;

use crate::retry::retry_contention;
use crate::{Error, Service};

/// What the instance `admin` was called in the protocol before.
const FORMER_ADMIN: &str = "default";

impl Service {
    /// Makes an instance.
    ///
    /// Making the same instance again is a success and changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceConflict`] if there is one with the same id and another name,
    /// [`Error::InstanceReserved`], or [`Error::Storage`].
    pub async fn add_instance(&self, instance: Instance) -> Result<(), Error> {
        if instance.id.as_str() == FORMER_ADMIN {
            return Err(Error::InstanceReserved);
        }
        let insert = async || self.stores.instances.insert(instance.clone()).await;
        match retry_contention(insert).await? {
            InstanceInsertion::Stored => Ok(()),
            InstanceInsertion::Exists(existing) if existing == instance => Ok(()),
            InstanceInsertion::Exists(_) => Err(Error::InstanceConflict),
        }
    }

    /// The instance of an id.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::Storage`].
    pub async fn instance(&self, id: &InstanceId) -> Result<Instance, Error> {
        let found = retry_contention(async || self.stores.instances.find(id).await).await?;
        found.ok_or(Error::InstanceUnknown)
    }

    /// All instances, ordered by id.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn list_instances(&self) -> Result<Vec<Instance>, Error> {
        Ok(retry_contention(async || self.stores.instances.list().await).await?)
    }

    /// Removes an instance with its devices and access tokens.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::Storage`].
    pub async fn remove_instance(&self, id: &InstanceId) -> Result<(), Error> {
        let removed = retry_contention(async || self.stores.instances.remove(id).await).await?;
        if removed { Ok(()) } else { Err(Error::InstanceUnknown) }
    }

    /// Makes the instance `admin` in a database that has no instance; answers whether it did.
    ///
    /// Of several processes that do so at once, one is answered that it did.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn bootstrap(&self) -> Result<bool, Error> {
        if !self.list_instances().await?.is_empty() {
            return Ok(false);
        }
        let insert = async || self.stores.instances.insert(Instance::admin()).await;
        match retry_contention(insert).await? {
            InstanceInsertion::Stored => Ok(true),
            InstanceInsertion::Exists(_) => Ok(false),
        }
    }
}
