//! OTP devices: add, show, change and remove them.

use merchant_otp_domain::{
    Amount, AuditEvent, InstanceId, Operation, OtpCodes, OtpDevice, OtpDeviceChange, OtpDeviceId,
    Outcome, Permission, SealedOtpDevice, Timestamp,
};
use merchant_otp_ports::OtpDeviceInsertion;

use crate::retry::{CHANGE_ATTEMPTS, pause, retry_contention};
use crate::{Error, Grant, Service};

/// A device at a point in time.
#[derive(Clone, Debug)]
pub struct OtpDeviceAt {
    /// The device.
    pub device: OtpDevice,
    /// The point in time.
    pub time: Timestamp,
    /// The codes that the device may show at that time; `None` if it shows none.
    pub codes: Option<OtpCodes>,
}

impl Service {
    /// Registers an OTP device with the instance of the grant.
    ///
    /// Registering the same details again succeeds and changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::OtpDeviceConflict`] if the instance has a device with the same id and other
    /// details, [`Error::PermissionMissing`] if the grant is not for
    /// [`Permission::OtpDevicesWrite`], [`Error::InstanceUnknown`] if the instance was removed
    /// meanwhile, [`Error::KeyNotSealed`], [`Error::KeyNotOpened`] or [`Error::Storage`].
    pub async fn add_otp_device(&self, grant: &Grant, device: OtpDevice) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::OtpDevicesWrite)?;
        let event = self.event_of_device(grant, Operation::AddOtpDevice, device.id());
        let added = self.insert_otp_device(instance, device, &event).await;
        self.record_outcome(event, added).await
    }

    async fn insert_otp_device(
        &self,
        instance: &InstanceId,
        device: OtpDevice,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        let sealed = self.seal(instance, &device)?;
        let insert = || self.stores.otp_devices.insert(instance, sealed.clone(), event);
        match retry_contention(insert).await? {
            OtpDeviceInsertion::Stored => Ok(Outcome::Done),
            OtpDeviceInsertion::Exists(existing) => {
                // Compare the opened keys: sealing the same key twice gives different results.
                let same = self.open(instance, existing)? == device;
                if same { Ok(Outcome::Unchanged) } else { Err(Error::OtpDeviceConflict) }
            }
            OtpDeviceInsertion::NoSuchInstance => Err(Error::InstanceUnknown),
        }
    }

    /// Returns an OTP device and the codes that it may show at `time` (now if `None`) for `price`.
    ///
    /// # Errors
    ///
    /// [`Error::OtpDeviceUnknown`], [`Error::PermissionMissing`] if the grant is not for
    /// [`Permission::OtpDevicesRead`], [`Error::KeyNotOpened`] or [`Error::Storage`].
    pub async fn otp_device(
        &self,
        grant: &Grant,
        id: &OtpDeviceId,
        time: Option<Timestamp>,
        price: Option<&Amount>,
    ) -> Result<OtpDeviceAt, Error> {
        let sealed = self.sealed_otp_device(grant, id).await?;
        let device = self.open(grant.instance(), sealed)?;
        let time = time.unwrap_or_else(|| self.clock.now());
        let codes = device.codes(time, price);
        Ok(OtpDeviceAt { device, time, codes })
    }

    /// Returns an OTP device without opening its key.
    ///
    /// # Errors
    ///
    /// [`Error::OtpDeviceUnknown`], [`Error::PermissionMissing`] if the grant is not for
    /// [`Permission::OtpDevicesRead`], or [`Error::Storage`].
    pub async fn sealed_otp_device(
        &self,
        grant: &Grant,
        id: &OtpDeviceId,
    ) -> Result<SealedOtpDevice, Error> {
        let instance = grant.instance_for(Permission::OtpDevicesRead)?;
        let find = || self.stores.otp_devices.find(instance, id);
        retry_contention(find).await?.ok_or(Error::OtpDeviceUnknown)
    }

    /// Changes an OTP device. Fields that the change leaves out are kept.
    ///
    /// # Errors
    ///
    /// [`Error::OtpDeviceUnknown`], [`Error::OtpDeviceInvalid`], [`Error::OtpDeviceContended`],
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::OtpDevicesWrite`],
    /// [`Error::KeyNotSealed`], [`Error::KeyNotOpened`] or [`Error::Storage`].
    pub async fn change_otp_device(
        &self,
        grant: &Grant,
        id: &OtpDeviceId,
        change: OtpDeviceChange,
    ) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::OtpDevicesWrite)?;
        let event = self.event_of_device(grant, Operation::ChangeOtpDevice, id);
        let changed = self.replace_otp_device(instance, id, change, &event).await;
        self.record_outcome(event, changed).await
    }

    async fn replace_otp_device(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
        change: OtpDeviceChange,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        for attempt in 1..=CHANGE_ATTEMPTS {
            let find = || self.stores.otp_devices.find(instance, id);
            let current = retry_contention(find).await?.ok_or(Error::OtpDeviceUnknown)?;
            let device = self.open(instance, current.clone())?;
            let changed = device.changed(change.clone()).map_err(Error::OtpDeviceInvalid)?;
            let changed = self.seal(instance, &changed)?;
            let replace = || self.stores.otp_devices.replace(instance, &current, &changed, event);
            if retry_contention(replace).await? {
                return Ok(Outcome::Done);
            }
            // The device was changed since it was read: apply the change to the new state.
            pause(attempt).await;
        }
        Err(Error::OtpDeviceContended)
    }

    /// Removes an OTP device.
    ///
    /// # Errors
    ///
    /// [`Error::OtpDeviceUnknown`], [`Error::PermissionMissing`] if the grant is not for
    /// [`Permission::OtpDevicesWrite`], or [`Error::Storage`].
    pub async fn remove_otp_device(&self, grant: &Grant, id: &OtpDeviceId) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::OtpDevicesWrite)?;
        let event = self.event_of_device(grant, Operation::RemoveOtpDevice, id);
        let remove = || self.stores.otp_devices.remove(instance, id, &event);
        let removed = match retry_contention(remove).await {
            Ok(true) => Ok(Outcome::Done),
            Ok(false) => Err(Error::OtpDeviceUnknown),
            Err(error) => Err(error.into()),
        };
        self.record_outcome(event, removed).await
    }
}
