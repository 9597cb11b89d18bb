//! Master keys: the check at the start, rotation, and sealing of devices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use merchant_otp_domain::{
    InstanceId, MasterKeyId, OtpDevice, OtpKey, SealedOtpDevice, SealedOtpKey,
};
use merchant_otp_ports::{DamagedKey, DeviceKey, KeyReplacement, SealError, SealingContext};
use tokio::time::sleep;

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

/// The maximum number of devices whose keys cannot be opened in the result of a rotation.
const MAX_REPORTED: usize = 20;

/// A device whose key cannot be opened.
#[derive(Debug)]
pub struct UnopenedKey {
    /// The id of the instance, as stored. It may be invalid.
    pub instance: String,
    /// The id of the device, as stored. It may be invalid.
    pub device: String,
    /// Why the key cannot be opened: [`Error::MasterKeyMissing`] or [`Error::KeyNotOpened`].
    pub error: Error,
}

/// The result of opening all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCheck {
    /// The number of keys.
    pub checked: u64,
    /// The number of keys that cannot be opened.
    pub not_opened: u64,
}

/// The progress of a master-key rotation.
#[derive(Debug, Default)]
pub struct Rotation {
    /// The number of keys that were read.
    pub checked: u64,
    /// The number of keys that were re-sealed.
    pub resealed: u64,
    /// The number of keys that cannot be opened; they are unchanged.
    pub not_opened: u64,
    /// The first of these keys.
    pub first_not_opened: Vec<UnopenedKey>,
}

impl Service {
    /// Checks that the process has the master keys that the database needs, and stores a key check
    /// value of the current one: every check value opens, and so does the key of a device if there
    /// are any.
    ///
    /// Call this before sealing a key, so that a wrong or lost master key is detected at start and
    /// not by the first request. Single keys that were damaged, or whose master key is lost, are no
    /// error: see [`Service::check_keys`].
    ///
    /// # Errors
    ///
    /// [`Error::MasterKeyMissing`], [`Error::KeyNotOpened`], [`Error::KeyNotSealed`] or
    /// [`Error::Storage`].
    pub async fn check_master_keys(&self) -> Result<(), Error> {
        self.expect_a_key_to_open().await?;
        let current = self.sealer.current();
        if self.verify_check_values().await?.contains(&current) {
            return Ok(());
        }
        self.add_check_value().await?;
        // Another process may have started with another master key at the same time.
        if let Err(error) = self.verify_check_values().await {
            let remove = || self.stores.sealed_keys.remove_check_value(current);
            retry_contention(remove).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Stores the key check value of the current master key, unless it has one.
    async fn add_check_value(&self) -> Result<(), Error> {
        let check_value = self.sealer.seal(&OtpKey::default(), SealingContext::CheckValue)?;
        let add = || self.stores.sealed_keys.add_check_value(check_value.clone());
        Ok(retry_contention(add).await?)
    }

    /// Checks that the key of a device opens, unless there are no devices. Normally reads one key.
    ///
    /// # Errors
    ///
    /// The first failure if no key opens, or [`Error::Storage`].
    async fn expect_a_key_to_open(&self) -> Result<(), Error> {
        let (mut after, mut limit, mut result) = (None, 1, Ok(()));
        loop {
            let page = self.keys_after(after.as_ref(), limit).await?;
            let Some(last) = page.last() else { return result };
            after = Some(place(last));
            for row in page {
                match self.open_row(row) {
                    Ok(_) => return Ok(()),
                    Err(unopened) => result = result.and(Err(unopened.error)),
                }
            }
            limit = BATCH;
        }
    }

    /// Opens the keys of all devices, pausing between pages, and reports those that do not open.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn check_keys(
        &self,
        pause: Duration,
        mut report: impl FnMut(UnopenedKey) + Send,
    ) -> Result<KeyCheck, Error> {
        let (mut check, mut after) = (KeyCheck::default(), None);
        loop {
            let page = self.keys_after(after.as_ref(), BATCH).await?;
            let Some(last) = page.last() else {
                return Ok(check);
            };
            after = Some(place(last));
            check.checked += page.len() as u64;
            for unopened in page.into_iter().filter_map(|row| self.open_row(row).err()) {
                check.not_opened += 1;
                report(unopened);
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    fn open_row(&self, row: Row) -> Result<(DeviceKey, OtpKey), UnopenedKey> {
        let (instance, device) = place(&row);
        let open = || {
            let key = row.map_err(|damaged| Error::KeyNotOpened(damaged.cause))?;
            self.has_master_key(key.key.master_key())?;
            let context = SealingContext::Device(&key.instance, &key.device);
            let opened = self.sealer.open(&key.key, context)?;
            Ok((key, opened))
        };
        open().map_err(|error| UnopenedKey { instance, device, error })
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
    /// meanwhile. Also opens the keys that are sealed with it already.
    ///
    /// `progress` is called after each batch. If the future is dropped, completed batches are kept,
    /// and the next rotation skips them. When all keys are sealed with the current master key, the
    /// check values of the other master keys are removed: those are no longer needed, unless a
    /// process whose current master key is another one seals keys later.
    ///
    /// # Errors
    ///
    /// [`Error::MasterKeyMissing`] or [`Error::KeyNotOpened`] if no key opens,
    /// [`Error::KeyNotSealed`] or [`Error::Storage`].
    pub async fn rotate_master_key(
        &self,
        mut progress: impl FnMut(&Rotation) + Send,
    ) -> Result<Rotation, Error> {
        self.expect_a_key_to_open().await?;
        self.add_check_value().await?;
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
            let page = self.keys_after(after.as_ref(), BATCH).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(place(last));
            rotation.checked += page.len() as u64;
            let mut replacements = Vec::new();
            for row in page {
                match self.open_row(row) {
                    Ok((current, opened)) => {
                        if let Some(replacement) = self.reseal(&current, &opened)? {
                            replacements.push(KeyReplacement { current, replacement });
                        }
                    }
                    Err(unopened) => {
                        rotation.not_opened += 1;
                        if rotation.first_not_opened.len() < MAX_REPORTED {
                            rotation.first_not_opened.push(unopened);
                        }
                    }
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
    fn reseal(&self, key: &DeviceKey, opened: &OtpKey) -> Result<Option<SealedOtpKey>, Error> {
        if key.key.master_key() == self.sealer.current() {
            return Ok(None);
        }
        let context = SealingContext::Device(&key.instance, &key.device);
        Ok(Some(self.sealer.seal(opened, context)?))
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
        after: Option<&(String, String)>,
        limit: u16,
    ) -> Result<Vec<Row>, Error> {
        let after = after.map(|(instance, device)| (instance.as_str(), device.as_str()));
        let list = || self.stores.sealed_keys.list(after, limit);
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

/// The stored key of a device.
type Row = Result<DeviceKey, DamagedKey>;

/// The ids of the instance and the device of a row.
fn place(row: &Row) -> (String, String) {
    match row {
        Ok(key) => (key.instance.as_str().to_owned(), key.device.as_str().to_owned()),
        Err(damaged) => (damaged.instance.clone(), damaged.device.clone()),
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
