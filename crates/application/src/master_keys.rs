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
    pub is_there: bool,
    /// Whether it is the one that seals.
    pub seals: bool,
    /// The number of device keys that it sealed.
    pub devices: u64,
}

/// The number of passes over all keys, in case another process seals with an older master key
/// meanwhile.
const PASSES: u32 = 5;

/// The most devices reported whose keys cannot be opened.
const TOLD: usize = 20;

/// How far a change of the master key has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The number of keys that were read.
    pub looked_at: u64,
    /// The number of keys that were re-sealed.
    pub sealed_again: u64,
    /// The number of keys that cannot be opened; they are unchanged.
    pub not_opened: u64,
    /// The devices of the first of those.
    pub not_opened_devices: Vec<(InstanceId, OtpDeviceId)>,
}

impl Service {
    /// Checks that the master keys are those that sealed what the database holds, and leaves a
    /// check value of the current one there.
    ///
    /// To be called before anything is sealed or opened: a wrong or lost master key is found then,
    /// and not by the first customer.
    ///
    /// # Errors
    ///
    /// [`Error::MasterKeyMissing`], [`Error::KeyNotOpened`], [`Error::KeyNotSealed`] or
    /// [`Error::Storage`].
    pub async fn check_master_keys(&self) -> Result<(), Error> {
        // What sealed something, whether there is a check value of it or not.
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
        // Another process may have begun with another master key at the same time.
        if let Err(error) = self.verify_check_values().await {
            let remove = || self.stores.sealed_keys.remove_check_value(current);
            retry_contention(remove).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Opens every check value; answers whose they are.
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

    /// The master keys of the process and those that are needed, with the number of device keys
    /// that each sealed.
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
            is_there: self.sealer.has(id),
            seals: id == current,
            devices,
        });
        Ok(uses.collect())
    }

    /// Seals all keys again that another than the current master key sealed, while others work.
    ///
    /// `progress` is called after each batch. What was done stays done if the future is dropped,
    /// and need not be done again. When all keys are sealed by the current master key, the check
    /// values of the others go: those are no longer needed, unless a process that has another
    /// current one seals by it later.
    ///
    /// # Errors
    ///
    /// [`Error::KeyNotSealed`] or [`Error::Storage`].
    pub async fn rotate_master_key(
        &self,
        mut progress: impl FnMut(&Rotation) + Send,
    ) -> Result<Rotation, Error> {
        let mut rotation = Rotation::default();
        // A second pass finds what another process sealed meanwhile, or what changed under our
        // hands.
        for _ in 0..PASSES {
            let before = rotation.sealed_again;
            rotation = Rotation { sealed_again: before, ..Rotation::default() };
            self.rotation_pass(&mut rotation, &mut progress).await?;
            if rotation.sealed_again == before {
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
            rotation.looked_at += page.len() as u64;
            let mut replacements = Vec::new();
            for current in page {
                match self.sealed_again(&current) {
                    Ok(None) => {}
                    Ok(Some(replacement)) => {
                        replacements.push(KeyReplacement { current, replacement });
                    }
                    Err(Error::KeyNotOpened(_)) => {
                        rotation.not_opened += 1;
                        if rotation.not_opened_devices.len() < TOLD {
                            let DeviceKey { instance, device, .. } = current;
                            rotation.not_opened_devices.push((instance, device));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            if !replacements.is_empty() {
                let replace = || self.stores.sealed_keys.replace(replacements.clone());
                rotation.sealed_again += retry_contention(replace).await?;
            }
            progress(rotation);
        }
    }

    /// The key sealed by the current master key; `None` if it is.
    fn sealed_again(&self, key: &DeviceKey) -> Result<Option<SealedOtpKey>, Error> {
        if key.key.master_key() == self.sealer.current() {
            return Ok(None);
        }
        let context = SealingContext::Device(&key.instance, &key.device);
        let opened = self.sealer.open(&key.key, context)?;
        Ok(Some(self.sealer.seal(&opened, context)?))
    }

    /// Removes the check values of the master keys that sealed no key of a device.
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

    /// A device of an instance as stores know it.
    pub(crate) fn seal(
        &self,
        instance: &InstanceId,
        device: &OtpDevice,
    ) -> Result<SealedOtpDevice, Error> {
        let context = SealingContext::Device(instance, device.id());
        Ok(device.sealed(self.sealer.seal(device.key(), context)?))
    }

    /// A device of an instance with its key.
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
