//! Instances: add, list, rename, delete and purge them.

use merchant_otp_domain::{
    AuditEvent, Instance, InstanceId, InstanceName, Operation, Outcome, Password, Permission,
};
use merchant_otp_ports::{InstanceInsertion, StoredInstance};

use crate::caller::Caller;
use crate::presented::instance_id;
use crate::retry::retry_contention;
use crate::{Error, Grant, ManagementGrant, Service};

/// An instance in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInstance {
    /// The instance.
    pub instance: Instance,
    /// Whether it is deleted: kept, but unusable. A purge removes it and frees its id.
    pub deleted: bool,
}

impl Service {
    /// Creates an instance, optionally with a password.
    ///
    /// Creating the same instance again succeeds and changes nothing. If no password is given, that
    /// of the existing instance is not compared.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceConflict`] if an instance with the same id and another name or password
    /// exists, [`Error::InstancePurgeRequired`], [`Error::InstanceReserved`],
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesWrite`],
    /// [`Error::TooManyPasswords`], [`Error::PasswordWork`], [`Error::NoRandomness`] or
    /// [`Error::Storage`].
    pub async fn add_instance(
        &self,
        grant: &ManagementGrant,
        instance: Instance,
        password: Option<Password>,
    ) -> Result<(), Error> {
        grant.has(Permission::InstancesWrite)?;
        let event = self.event(grant.caller, &instance.id, Operation::AddInstance);
        let added = self.insert_instance(instance, password, &event).await;
        self.record_outcome(event, added).await
    }

    async fn insert_instance(
        &self,
        instance: Instance,
        password: Option<Password>,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        if instance.id.as_str() == InstanceId::FORMER_ADMIN {
            return Err(Error::InstanceReserved);
        }
        let hash = match password.clone() {
            Some(password) => Some(self.passwords.hash(&instance.id, password).await?),
            None => None,
        };
        let insert = || self.stores.instances.insert(instance.clone(), hash.clone(), event);
        match retry_contention(insert).await? {
            InstanceInsertion::Stored => Ok(Outcome::Done),
            InstanceInsertion::Exists(existing) if existing.deleted => {
                Err(Error::InstancePurgeRequired)
            }
            InstanceInsertion::Exists(existing) if existing.instance == instance => {
                self.has_password(existing, password).await?;
                Ok(Outcome::Unchanged)
            }
            InstanceInsertion::Exists(_) => Err(Error::InstanceConflict),
        }
    }

    /// Checks that an instance has the given password, if there is one.
    async fn has_password(
        &self,
        existing: StoredInstance,
        password: Option<Password>,
    ) -> Result<(), Error> {
        let same = match (existing.password, password) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(hash), Some(password)) => {
                self.passwords.verify(&existing.instance.id, hash, password).await?
            }
        };
        if same { Ok(()) } else { Err(Error::InstanceConflict) }
    }

    /// Checks that an instance exists, which is public. Text that is not a valid id is an unknown
    /// instance.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::InstanceDeleted`] if not, or [`Error::Storage`].
    pub async fn find_instance(&self, id: &str) -> Result<(), Error> {
        self.stored_instance(&instance_id(id)?).await.map(|_| ())
    }

    /// Returns the instance of the grant.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesRead`],
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn instance(&self, grant: &Grant) -> Result<Instance, Error> {
        let id = grant.instance_for(Permission::InstancesRead)?;
        Ok(self.stored_instance(id).await?.instance)
    }

    /// Returns all instances, including deleted ones, ordered by id.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesRead`], or
    /// [`Error::Storage`].
    pub async fn list_instances(
        &self,
        grant: &ManagementGrant,
    ) -> Result<Vec<ListedInstance>, Error> {
        grant.has(Permission::InstancesRead)?;
        let all = retry_contention(|| self.stores.instances.list()).await?;
        let listed =
            |StoredInstance { instance, deleted, .. }| ListedInstance { instance, deleted };
        Ok(all.into_iter().map(listed).collect())
    }

    /// Renames the instance of the grant.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesWrite`],
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn rename_instance(&self, grant: &Grant, name: &InstanceName) -> Result<(), Error> {
        let id = grant.instance_for(Permission::InstancesWrite)?;
        let event = self.event(grant.caller, id, Operation::RenameInstance);
        let rename = || self.stores.instances.rename(id, name.clone(), &event);
        let renamed = match retry_contention(rename).await {
            Ok(renamed) => self.changed(id, renamed).await,
            Err(error) => Err(error.into()),
        };
        self.record_outcome(event, renamed).await
    }

    /// Marks the instance of the grant as deleted. Its password is removed; its other data is kept,
    /// but unusable.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesWrite`],
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn delete_instance(&self, grant: &Grant) -> Result<(), Error> {
        let id = grant.instance_for(Permission::InstancesWrite)?;
        let event = self.event(grant.caller, id, Operation::DeleteInstance);
        let mark = || self.stores.instances.mark_deleted(id, &event);
        let marked = match retry_contention(mark).await {
            Ok(marked) => self.changed(id, marked).await,
            Err(error) => Err(error.into()),
        };
        self.record_outcome(event, marked).await
    }

    /// Removes the instance of the grant, deleted or not, with its devices and access tokens.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesWrite`],
    /// [`Error::InstanceUnknown`] or [`Error::Storage`].
    pub async fn purge_instance(&self, grant: &Grant) -> Result<(), Error> {
        let id = grant.instance_for(Permission::InstancesWrite)?;
        let event = self.event(grant.caller, id, Operation::PurgeInstance);
        let remove = || self.stores.instances.remove(id, &event);
        let removed = match retry_contention(remove).await {
            Ok(true) => Ok(Outcome::Done),
            Ok(false) => Err(Error::InstanceUnknown),
            Err(error) => Err(error.into()),
        };
        self.record_outcome(event, removed).await
    }

    /// Creates the instance `admin` if the database has no instances. Returns whether it did.
    ///
    /// If several processes do so at the same time, one of them returns `true`.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn bootstrap(&self) -> Result<bool, Error> {
        let all = retry_contention(|| self.stores.instances.list()).await?;
        if !all.is_empty() {
            return Ok(false);
        }
        let admin = Instance::admin();
        let event = self.event(Caller::OPERATOR, &admin.id, Operation::AddInstance);
        let insert = || self.stores.instances.insert(admin.clone(), None, &event);
        match retry_contention(insert).await? {
            InstanceInsertion::Stored => {
                self.record_outcome(event, Ok(Outcome::Done)).await?;
                Ok(true)
            }
            InstanceInsertion::Exists(_) => Ok(false),
        }
    }

    /// Converts the answer of a store, whether it changed an instance, into an outcome.
    pub(crate) async fn changed(&self, id: &InstanceId, changed: bool) -> Result<Outcome, Error> {
        if changed {
            return Ok(Outcome::Done);
        }
        self.stored_instance(id).await?;
        // The instance was created in the meantime.
        Err(Error::InstanceUnknown)
    }
}
