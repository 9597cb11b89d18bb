//! Instances: add, list, rename, delete and purge them.

use merchant_otp_domain::{
    AuditEvent, Instance, InstanceId, InstanceName, InstanceSettings, Operation, Outcome, Password,
    Permission,
};
use merchant_otp_ports::{InstanceInsertion, StoreError, StoredInstance};

use crate::caller::Caller;
use crate::instance_settings;
use crate::presented::instance_id;
use crate::retry::{CHANGE_ATTEMPTS, pause, retry_contention};
use crate::{Error, Grant, ManagementGrant, Service};

/// An instance in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInstance {
    /// The instance.
    pub instance: Instance,
    /// Whether it is deleted: kept, but unusable. A purge removes it and frees its id.
    pub deleted: bool,
}

/// A change to an instance.
#[derive(Clone, Debug, Default)]
pub struct InstanceChange {
    /// The new name; `None` keeps the name.
    pub name: Option<InstanceName>,
    /// The settings to replace; others are kept.
    pub settings: InstanceSettings,
}

impl InstanceChange {
    /// The operation that the change is recorded as.
    #[must_use]
    pub fn operation(&self) -> Operation {
        if self.settings == InstanceSettings::default() {
            Operation::RenameInstance
        } else {
            Operation::ChangeInstance
        }
    }
}

impl Service {
    /// Creates an instance, optionally with a password.
    ///
    /// Creating the same instance again succeeds and changes nothing. Without a password, the
    /// operator creates it on the command line: the password and the settings of the existing
    /// instance are not compared then.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceConflict`] if an instance with the same id and another name, password or
    /// settings exists, [`Error::InstancePurgeRequired`], [`Error::InstanceReserved`],
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
            InstanceInsertion::Exists(existing) => {
                let settings = (&existing.instance.settings, &instance.settings);
                let same = existing.instance.name == instance.name
                    && (password.is_none() || instance_settings::are_equal(settings.0, settings.1));
                if !same {
                    return Err(Error::InstanceConflict);
                }
                self.has_password(existing, password).await?;
                Ok(Outcome::Unchanged)
            }
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

    /// Changes the instance of the grant. Settings that the change does not name are kept.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesWrite`],
    /// [`Error::InstanceSettings`] if the settings would be too long, [`Error::InstanceUnknown`],
    /// [`Error::InstanceDeleted`] or [`Error::Storage`].
    pub async fn change_instance(
        &self,
        grant: &Grant,
        change: &InstanceChange,
    ) -> Result<(), Error> {
        let id = grant.instance_for(Permission::InstancesWrite)?;
        let event = self.event(grant.caller, id, change.operation());
        let changed = self.replace_instance(id, change, &event).await;
        self.record_outcome(event, changed).await
    }

    async fn replace_instance(
        &self,
        id: &InstanceId,
        change: &InstanceChange,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        for attempt in 1..=CHANGE_ATTEMPTS {
            let current = self.stored_instance(id).await?.instance;
            let changed = Instance {
                id: id.clone(),
                name: change.name.clone().unwrap_or_else(|| current.name.clone()),
                settings: instance_settings::merged(&current.settings, &change.settings)?,
            };
            if changed == current {
                return Ok(Outcome::Unchanged);
            }
            let replace = || self.stores.instances.replace(&current, &changed, event);
            if retry_contention(replace).await? {
                return Ok(Outcome::Done);
            }
            // The instance was changed since it was read: apply the change to the new state.
            pause(attempt).await;
        }
        Err(StoreError::Contention("the instance was changed at every attempt".into()).into())
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
