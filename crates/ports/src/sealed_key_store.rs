//! The port for master-key rotation.

use async_trait::async_trait;
use merchant_otp_domain::{InstanceId, MasterKeyId, OtpDeviceId, SealedOtpKey};

use crate::StoreResult;

/// Access to all sealed keys, across instances, for master-key rotation.
///
/// Also keeps one check value per master key: a sealed constant that proves the key.
#[async_trait]
pub trait SealedKeyStore: Send + Sync + 'static {
    /// The first `limit` keys after a device, ordered by the bytes of the instances' ids, then of
    /// the devices'.
    ///
    /// From the first one on if `after` is `None`. The device need not be there (any more). Fewer
    /// than `limit` are the last ones.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(
        &self,
        after: Option<(&InstanceId, &OtpDeviceId)>,
        limit: u16,
    ) -> StoreResult<Vec<DeviceKey>>;

    /// The master keys that sealed the keys of devices, and of how many devices each.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn master_keys(&self) -> StoreResult<Vec<(MasterKeyId, u64)>>;

    /// Replaces sealed keys that are unchanged, in one transaction; returns how many it replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn replace(&self, replacements: Vec<KeyReplacement>) -> StoreResult<u64>;

    /// The check values, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn check_values(&self) -> StoreResult<Vec<SealedOtpKey>>;

    /// Stores a check value, unless there is one of the same master key.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn add_check_value(&self, check_value: SealedOtpKey) -> StoreResult<()>;

    /// Removes the check value of a master key; returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove_check_value(&self, master_key: MasterKeyId) -> StoreResult<bool>;
}

/// The sealed key of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// The instance that has the device.
    pub instance: InstanceId,
    /// The device.
    pub device: OtpDeviceId,
    /// Its key.
    pub key: SealedOtpKey,
}

/// A sealed key that is to be replaced.
#[derive(Clone, Debug)]
pub struct KeyReplacement {
    /// The key, and whose it is.
    pub current: DeviceKey,
    /// What is to be there in its place.
    pub replacement: SealedOtpKey,
}
