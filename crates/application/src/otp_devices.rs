use merchant_otp_domain::{OtpDevice, Permission};
use merchant_otp_ports::OtpDeviceInsertion;

use crate::retry::retry_contention;
use crate::{Error, Grant, Service};

impl Service {
    /// Registers an OTP device with the instance of the grant.
    ///
    /// Registering the same details again is a success and changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::OtpDeviceConflict`] if the instance has a device with the same id and other details,
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::OtpDevicesWrite`], [`Error::InstanceUnknown`] if the instance was removed
    /// meanwhile, or [`Error::Store`].
    pub async fn add_otp_device(&self, grant: &Grant, device: OtpDevice) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::OtpDevicesWrite)?;
        let insert = async || self.stores.otp_devices.insert(instance, device.clone()).await;
        match retry_contention(insert).await? {
            OtpDeviceInsertion::Stored => Ok(()),
            OtpDeviceInsertion::Exists(existing) if existing == device => Ok(()),
            OtpDeviceInsertion::Exists(_) => Err(Error::OtpDeviceConflict),
            OtpDeviceInsertion::NoSuchInstance => Err(Error::InstanceUnknown),
        }
    }
}
