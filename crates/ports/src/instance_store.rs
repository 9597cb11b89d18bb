//! The port for instances.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, PasswordHash};

use crate::StoreResult;

/// The instances.
///
/// An instance that is marked as deleted keeps its id, devices and tokens. It is found and listed
/// as deleted, and can no longer be changed.
///
/// ```
/// use merchant_otp_domain::InstanceId;
/// use merchant_otp_ports::{InstanceStore, StoreResult};
///
/// async fn is_active(store: &dyn InstanceStore, id: &InstanceId) -> StoreResult<bool> {
///     Ok(store.find(id).await?.is_some_and(|stored| !stored.deleted))
/// }
/// ```
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Stores an instance and assigns it a serial, unless an instance with its id exists.
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

    /// Finds an instance by its id, deleted or not; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>>;

    /// Lists all instances, including deleted ones, ordered by the bytes of their ids. Their
    /// settings are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(&self) -> StoreResult<Vec<StoredInstance>>;

    /// Replaces the name and the settings of an instance, if they still are those of `current`;
    /// returns whether they were, and the instance exists and is not deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn replace(
        &self,
        current: &Instance,
        changed: &Instance,
        event: &AuditEvent,
    ) -> StoreResult<bool>;

    /// Sets or replaces the password of an instance; returns whether it exists and is not deleted.
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

    /// Sets or replaces the password of an instance, and removes all its access tokens, as
    /// [`AccessTokenStore::remove_all`](crate::AccessTokenStore::remove_all) does; returns whether
    /// the instance exists and is not deleted.
    ///
    /// Appends `event`, and `revocation` if there was a token.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn reset_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
        revocation: &AuditEvent,
    ) -> StoreResult<bool>;

    /// Marks an instance as deleted and removes its password; returns whether it existed and was
    /// not deleted.
    ///
    /// Keeps its devices and access tokens; [`crate::AccessTokenStore::find`] no longer finds the
    /// tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool>;

    /// Removes an instance, deleted or not, with its devices and access tokens; returns whether it
    /// existed.
    ///
    /// Keeps its audit trail.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool>;
}

/// An instance as it is stored.
///
/// ```
/// use merchant_otp_domain::Instance;
/// use merchant_otp_ports::StoredInstance;
///
/// let instance = Instance::admin();
/// let stored = StoredInstance { serial: 1, instance, password: None, deleted: false };
/// assert_eq!(stored.instance.id.as_str(), "admin");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInstance {
    /// The serial: at least 1, unique in the whole database, and never reused. An instance that
    /// gets the same id later has another serial.
    pub serial: i64,
    /// The id, the name and the settings.
    pub instance: Instance,
    /// The hash of its password, if it has one.
    pub password: Option<PasswordHash>,
    /// Whether it is marked as deleted.
    pub deleted: bool,
}

/// The outcome of storing an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceInsertion {
    /// The instance is stored.
    Stored,
    /// An instance with the same id exists, deleted or not. Nothing was changed.
    Exists(StoredInstance),
}
