//! The port for instances.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, InstanceName, PasswordHash};

use crate::StoreResult;

/// The instances.
///
/// An instance that is marked as deleted keeps its id, its devices and its tokens; it is found and
/// listed as deleted, and no longer changed.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Stores an instance, unless one with its id exists, and assigns it a serial.
    ///
    /// Exactly one of several concurrent insertions of one id is [`InstanceInsertion::Stored`].
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion>;

    /// The instance of this id, deleted or not; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>>;

    /// All instances, deleted ones included, ordered by the bytes of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(&self) -> StoreResult<Vec<StoredInstance>>;

    /// Renames an instance; returns whether there is one that is not deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> StoreResult<bool>;

    /// Sets or replaces the password of an instance; returns whether there is one that is not
    /// deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> StoreResult<bool>;

    /// Marks an instance as deleted and removes its password; returns whether there was one that
    /// was not deleted.
    ///
    /// Its devices and access tokens stay; [`crate::AccessTokenStore::find`] no longer finds the
    /// tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool>;

    /// Removes an instance, deleted or not, and with it, atomically, its devices and access tokens.
    ///
    /// Its audit trail stays. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool>;
}

/// An instance as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInstance {
    /// A number of its own: 1 and up, unique in the whole database, and never reused. Another
    /// instance that gets the same id later has another serial.
    pub serial: i64,
    /// Id and name.
    pub instance: Instance,
    /// The hash of its password, if it has one.
    pub password: Option<PasswordHash>,
    /// Whether it is marked as deleted.
    pub deleted: bool,
}

/// The outcome of storing an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceInsertion {
    /// It is stored.
    Stored,
    /// An instance with the same id exists, deleted or not: this one. Nothing was changed.
    Exists(StoredInstance),
}
