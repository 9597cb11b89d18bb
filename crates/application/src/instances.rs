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
    /// Whether it is deleted: kept, and of no use until it is purged.
    pub deleted: bool,
}

impl Service {
    /// Makes an instance, with a password if there is one.
    ///
    /// Making the same instance again is a success and changes nothing; without a password,
    /// whatever the password of the instance is.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceConflict`] if there is one with the same id and another name or password,
    /// [`Error::InstancePurgeRequired`], [`Error::InstanceReserved`],
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesWrite`], [`Error::TooManyPasswords`],
    /// [`Error::PasswordWork`], [`Error::NoRandomness`] or [`Error::Storage`].
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

    /// Checks that an instance has the password that is asked for, if one is.
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

    /// Checks that an instance exists, which is public. Text that can be no id is that of none.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::InstanceDeleted`] if not, or [`Error::Storage`].
    pub async fn find_instance(&self, id: &str) -> Result<(), Error> {
        self.stored_instance(&instance_id(id)?).await.map(|_| ())
    }

    /// The instance of the grant.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesRead`], [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or
    /// [`Error::Storage`].
    pub async fn instance(&self, grant: &Grant) -> Result<Instance, Error> {
        let id = grant.instance_for(Permission::InstancesRead)?;
        Ok(self.stored_instance(id).await?.instance)
    }

    /// All instances, deleted ones included, ordered by id.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesRead`], or [`Error::Storage`].
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
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesWrite`], [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or
    /// [`Error::Storage`].
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

    /// Deletes the instance of the grant: what it has is kept, its password apart, and is of no
    /// use.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesWrite`], [`Error::InstanceUnknown`], [`Error::InstanceDeleted`] or
    /// [`Error::Storage`].
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
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesWrite`], [`Error::InstanceUnknown`] or [`Error::Storage`].
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

    /// Makes the instance `admin` in a database that has no instance; answers whether it did.
    ///
    /// Of several processes that do so at once, one is answered that it did.
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

    /// What it means that a store changed an instance or did not.
    pub(crate) async fn changed(&self, id: &InstanceId, changed: bool) -> Result<Outcome, Error> {
        if changed {
            return Ok(Outcome::Done);
        }
        self.stored_instance(id).await?;
        // It was not there, and is now.
        Err(Error::InstanceUnknown)
    }
}
