//! Master keys: the check at the start, rotation, and sealing of devices.

use std::collections::{BTreeMap, BTreeSet};

use merchant_otp_domain::{
    InstanceId, MasterKeyId, OtpDevice, OtpDeviceId, OtpKey, SealedOtpDevice, SealedOtpKey,
};
use merchant_otp_ports::{DeviceKey, KeyReplacement, SealError, SealingContext};

use crate::retry::retry_contention;
use crate::{Error, Service};

/// The number of keys re-sealed in one transaction: small enough not to delay requests.
const BATCH: u16 = 100;

/// A master key and its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MasterKeyUse {
    /// The master key.
    pub id: MasterKeyId,
    /// Whether the process has it.
    pub is_available: bool,
    /// Whether it is the current one, which seals new keys.
    pub seals: bool,
    /// The number of device keys that are sealed with it.
    pub devices: u64,
}

/// The maximum number of passes over all keys: another process may seal keys with an older master
/// key during a pass.
const PASSES: u32 = 5;

/// The maximum number of reported devices whose keys cannot be opened.
const MAX_REPORTED: usize = 20;

/// The progress of a master-key rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The number of keys that were read.
    pub checked: u64,
    /// The number of keys that were re-sealed.
    pub resealed: u64,
    /// The number of keys that cannot be opened; they are unchanged.
    pub not_opened: u64,
    /// The devices of the first of these keys.
    pub not_opened_devices: Vec<(InstanceId, OtpDeviceId)>,
}

impl Service {
    /// Checks that the process has all master keys that sealed keys in the database, and stores a
    /// key check value of the current one.
    ///
    /// Call this before sealing or opening a key, so that a wrong or lost master key is detected at
    /// start and not by the first request.
    ///
    /// # Errors
    ///
    /// [`Error::MasterKeyMissing`], [`Error::KeyNotOpened`], [`Error::KeyNotSealed`] or
    /// [`Error::Storage`].
    pub async fn check_master_keys(&self) -> Result<(), Error> {
        // All master keys that sealed a device key, with or without a check value.
        let used = || self.stores.sealed_keys.master_keys();
        for (id, _) in retry_contention(used).await? {
            self.has_master_key(id)?;
        }
        let current = self.sealer.current();
        if self.verify_check_values().await?.contains(&current) {
            return Ok(());
        }
        let check_value = self.sealer.seal(&OtpKey::default(), SealingContext::CheckValue)?;
        let add = || self.stores.sealed_keys.add_check_value(check_value.clone());
        retry_contention(add).await?;
        // Another process may have started with another master key at the same time.
        if let Err(error) = self.verify_check_values().await {
            let remove = || self.stores.sealed_keys.remove_check_value(current);
            retry_contention(remove).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Opens every check value. Returns the ids of their master keys.
    async fn verify_check_values(&self) -> Result<Vec<MasterKeyId>, Error> {
        let check_values = retry_contention(|| self.stores.sealed_keys.check_values()).await?;
        for check_value in &check_values {
            self.has_master_key(check_value.master_key())?;
            self.sealer.open(check_value, SealingContext::CheckValue)?;
        }
        Ok(check_values.iter().map(SealedOtpKey::master_key).collect())
    }

    fn has_master_key(&self, id: MasterKeyId) -> Result<(), Error> {
        if self.sealer.has(id) { Ok(()) } else { Err(Error::MasterKeyMissing(id)) }
    }

    /// Returns the current master key and all others that the database needs, with the number of
    /// device keys that each sealed.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn master_key_uses(&self) -> Result<Vec<MasterKeyUse>, Error> {
        let current = self.sealer.current();
        let mut devices = BTreeMap::from([(current, 0)]);
        for check_value in retry_contention(|| self.stores.sealed_keys.check_values()).await? {
            devices.entry(check_value.master_key()).or_default();
        }
        let count = || self.stores.sealed_keys.master_keys();
        devices.extend(retry_contention(count).await?);
        let uses = devices.into_iter().map(|(id, devices)| MasterKeyUse {
            id,
            is_available: self.sealer.has(id),
            seals: id == current,
            devices,
        });
        Ok(uses.collect())
    }

    /// Re-seals all keys that are not sealed with the current master key. Requests are served
    /// meanwhile.
    ///
    /// `progress` is called after each batch. If the future is dropped, completed batches are kept,
    /// and the next rotation skips them. When all keys are sealed with the current master key, the
    /// check values of the other master keys are removed: those are no longer needed, unless a
    /// process whose current master key is another one seals keys later.
    ///
    /// # Errors
    ///
    /// [`Error::KeyNotSealed`] or [`Error::Storage`].
    pub async fn rotate_master_key(
        &self,
        mut progress: impl FnMut(&Rotation) + Send,
    ) -> Result<Rotation, Error> {
        let mut rotation = Rotation::default();
        // A second pass finds keys that another process sealed or changed during the first one.
        for _ in 0..PASSES {
            let before = rotation.resealed;
            rotation = Rotation { resealed: before, ..Rotation::default() };
            self.rotation_pass(&mut rotation, &mut progress).await?;
            if rotation.resealed == before {
                break;
            }
        }
        if rotation.not_opened == 0 {
            self.forget_former_master_keys().await?;
        }
        Ok(rotation)
    }

    async fn rotation_pass(
        &self,
        rotation: &mut Rotation,
        progress: &mut (impl FnMut(&Rotation) + Send),
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.keys_after(after.as_ref()).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some((last.instance.clone(), last.device.clone()));
            rotation.checked += page.len() as u64;
            let mut replacements = Vec::new();
            for current in page {
                match self.reseal(&current) {
                    Ok(None) => {}
                    Ok(Some(replacement)) => {
                        replacements.push(KeyReplacement { current, replacement });
                    }
                    Err(Error::KeyNotOpened(_)) => {
                        rotation.not_opened += 1;
                        if rotation.not_opened_devices.len() < MAX_REPORTED {
                            let DeviceKey { instance, device, .. } = current;
                            rotation.not_opened_devices.push((instance, device));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            if !replacements.is_empty() {
                let replace = || self.stores.sealed_keys.replace(replacements.clone());
                rotation.resealed += retry_contention(replace).await?;
            }
            progress(rotation);
        }
    }

    /// Re-seals a key with the current master key; `None` if it is sealed with it already.
    fn reseal(&self, key: &DeviceKey) -> Result<Option<SealedOtpKey>, Error> {
        if key.key.master_key() == self.sealer.current() {
            return Ok(None);
        }
        let context = SealingContext::Device(&key.instance, &key.device);
        let opened = self.sealer.open(&key.key, context)?;
        Ok(Some(self.sealer.seal(&opened, context)?))
    }

    /// Removes the check values of master keys that are not current and sealed no device key.
    async fn forget_former_master_keys(&self) -> Result<(), Error> {
        let uses = self.master_key_uses().await?;
        let unused: BTreeSet<_> =
            uses.iter().filter(|one| !one.seals && one.devices == 0).map(|one| one.id).collect();
        for id in unused {
            retry_contention(|| self.stores.sealed_keys.remove_check_value(id)).await?;
        }
        Ok(())
    }

    async fn keys_after(
        &self,
        after: Option<&(InstanceId, OtpDeviceId)>,
    ) -> Result<Vec<DeviceKey>, Error> {
        let after = after.map(|(instance, device)| (instance, device));
        let list = || self.stores.sealed_keys.list(after, BATCH);
        Ok(retry_contention(list).await?)
    }

    /// Seals the key of a device, for a store.
    pub(crate) fn seal(
        &self,
        instance: &InstanceId,
        device: &OtpDevice,
    ) -> Result<SealedOtpDevice, Error> {
        let context = SealingContext::Device(instance, device.id());
        Ok(device.sealed(self.sealer.seal(device.key(), context)?))
    }

    /// Opens the sealed key of a device.
    pub(crate) fn open(
        &self,
        instance: &InstanceId,
        device: SealedOtpDevice,
    ) -> Result<OtpDevice, Error> {
        let key = self.sealer.open(&device.key, SealingContext::Device(instance, &device.id))?;
        device.opened(key).map_err(|error| Error::KeyNotOpened(error.into()))
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Failed(cause) => Self::KeyNotSealed(cause),
            error @ (SealError::UnknownMasterKey(_) | SealError::Invalid(_)) => {
                Self::KeyNotOpened(error.into())
            }
        }
    }
}
