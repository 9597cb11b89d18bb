use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, InstanceName, PasswordHash};

use crate::StoreError;

/// Keeps instances.
///
/// An instance that is marked as deleted keeps its id and what it has; it is found and listed as
/// such, and no longer changed.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Stores an instance, unless one has its id.
    ///
    /// Exactly one of several concurrent insertions of one id is [`InstanceInsertion::Stored`].
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is stored then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> Result<InstanceInsertion, StoreError>;

    /// The instance of this id, deleted or not; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn find(&self, id: &InstanceId) -> Result<Option<StoredInstance>, StoreError>;

    /// All instances, deleted ones included, ordered by the bytes of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn list(&self) -> Result<Vec<StoredInstance>, StoreError>;

    /// Gives an instance another name; answers whether there is one that is not deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is changed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Gives an instance its password, in the place of another if it has one; answers whether there
    /// is an instance that is not deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is changed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Marks an instance as deleted and forgets its password; answers whether there was one that was
    /// not deleted.
    ///
    /// Its devices and access tokens stay; [`crate::AccessTokenStore::find`] does not find them.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is changed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> Result<bool, StoreError>;

    /// Removes an instance, deleted or not, and with it, atomically, its devices and access tokens.
    ///
    /// Its audit trail stays. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> Result<bool, StoreError>;
}

/// An instance as a store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInstance {
    /// What is known of it.
    pub instance: Instance,
    /// The hash of its password, if it has one.
    pub password: Option<PasswordHash>,
    /// Whether it is marked as deleted.
    pub deleted: bool,
}

/// What came of storing an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceInsertion {
    /// It is stored.
    Stored,
    /// An instance with the same id is there, deleted or not: this one. Nothing was changed.
    Exists(StoredInstance),
}
