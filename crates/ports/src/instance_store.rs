use async_trait::async_trait;
use merchant_otp_domain::{Instance, InstanceId};

use crate::StoreError;

/// Keeps instances.
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
    async fn insert(&self, instance: Instance) -> Result<InstanceInsertion, StoreError>;

    /// The instance of this id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn find(&self, id: &InstanceId) -> Result<Option<Instance>, StoreError>;

    /// All instances, ordered by the bytes of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn list(&self) -> Result<Vec<Instance>, StoreError>;

    /// Removes an instance, and with it, atomically, its devices and access tokens.
    ///
    /// Answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn remove(&self, id: &InstanceId) -> Result<bool, StoreError>;
}

/// What came of storing an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceInsertion {
    /// It is stored.
    Stored,
    /// An instance with the same id is there: this one. Nothing was changed.
    Exists(Instance),
}
