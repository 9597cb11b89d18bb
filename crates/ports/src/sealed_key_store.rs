use async_trait::async_trait;
use merchant_otp_domain::{InstanceId, MasterKeyId, OtpDeviceId, SealedOtpKey};

use crate::StoreError;

/// Knows the sealed keys of all devices of all instances, and samples of the master keys that sealed
/// them: for changing master keys.
#[async_trait]
pub trait SealedKeyStore: Send + Sync + 'static {
    /// The first `limit` keys after a device, ordered by the bytes of the instances' ids, then of the
    /// devices'.
    ///
    /// From the first one on if `after` is `None`. The device need not be there (any more). Fewer than
    /// `limit` are the last ones.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn list(
        &self,
        after: Option<(&InstanceId, &OtpDeviceId)>,
        limit: u16,
    ) -> Result<Vec<DeviceKey>, StoreError>;

    /// The master keys that sealed the keys of devices, and of how many devices each.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn master_keys(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError>;

    /// Puts sealed keys in the place of others, where these are still there, all or none of them;
    /// answers how many it replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is changed then, [`StoreError::Write`] over a broken connection aside.
    async fn replace(&self, replacements: Vec<KeyReplacement>) -> Result<u64, StoreError>;

    /// The samples, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn samples(&self) -> Result<Vec<SealedOtpKey>, StoreError>;

    /// Stores a sample, unless there is one of the same master key.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is stored then, [`StoreError::Write`] over a broken connection aside.
    async fn add_sample(&self, sample: SealedOtpKey) -> Result<(), StoreError>;

    /// Removes the sample of a master key; answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken connection aside.
    async fn remove_sample(&self, master_key: MasterKeyId) -> Result<bool, StoreError>;
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
