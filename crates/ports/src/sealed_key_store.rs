//! The port for master-key rotation.

use async_trait::async_trait;
use merchant_otp_domain::{InstanceId, MasterKeyId, OtpDeviceId, SealedOtpKey};

use crate::{Cause, StoreResult};

/// Access to all sealed keys, across instances, for master-key rotation.
///
/// Also holds one key check value per master key: a sealed constant that proves the key.
///
/// ```
/// use merchant_otp_domain::MasterKeyId;
/// use merchant_otp_ports::{SealedKeyStore, StoreResult};
///
/// async fn is_used(store: &dyn SealedKeyStore, key: MasterKeyId) -> StoreResult<bool> {
///     Ok(store.master_keys().await?.iter().any(|(id, _)| *id == key))
/// }
/// ```
#[async_trait]
pub trait SealedKeyStore: Send + Sync + 'static {
    /// Lists the first `limit` keys after a device, given by the ids of its instance and its own,
    /// ordered by the bytes of the instances' ids, then of the devices' ids.
    ///
    /// Starts with the first key if `after` is `None`; otherwise that device need not exist. A page
    /// of fewer than `limit` keys is the last one. A row that holds invalid data does not fail the
    /// others.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(
        &self,
        after: Option<(&str, &str)>,
        limit: u16,
    ) -> StoreResult<Vec<Result<DeviceKey, DamagedKey>>>;

    /// Lists the master keys that sealed keys of devices, each with the number of its devices.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn master_keys(&self) -> StoreResult<Vec<(MasterKeyId, u64)>>;

    /// Replaces the sealed keys that still equal `current`; returns the number of replaced keys.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn replace(&self, replacements: Vec<KeyReplacement>) -> StoreResult<u64>;

    /// Lists the key check values, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn check_values(&self) -> StoreResult<Vec<SealedOtpKey>>;

    /// Stores a key check value, unless the same master key has one.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn add_check_value(&self, check_value: SealedOtpKey) -> StoreResult<()>;

    /// Removes the key check value of a master key; returns whether it existed.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove_check_value(&self, master_key: MasterKeyId) -> StoreResult<bool>;
}

/// The sealed key of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// The instance of the device.
    pub instance: InstanceId,
    /// The device.
    pub device: OtpDeviceId,
    /// The sealed key of the device.
    pub key: SealedOtpKey,
}

/// A row that should hold the sealed key of a device, and holds invalid data.
#[derive(Clone, Debug)]
pub struct DamagedKey {
    /// The id of the instance, as stored. It may be invalid too.
    pub instance: String,
    /// The id of the device, as stored. It may be invalid too.
    pub device: String,
    /// The violated rule.
    pub cause: Cause,
}

/// The replacement of the sealed key of a device.
///
/// ```
/// use merchant_otp_ports::{DeviceKey, KeyReplacement, KeySealer, SealError, SealingContext};
///
/// fn reseal(sealer: &dyn KeySealer, current: DeviceKey) -> Result<KeyReplacement, SealError> {
///     let context = SealingContext::Device(&current.instance, &current.device);
///     let key = sealer.open(&current.key, context)?;
///     let replacement = sealer.seal(&key, context)?;
///     Ok(KeyReplacement { current, replacement })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct KeyReplacement {
    /// The present key and its device.
    pub current: DeviceKey,
    /// The new sealed key.
    pub replacement: SealedOtpKey,
}
