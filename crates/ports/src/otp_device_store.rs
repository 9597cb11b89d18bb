use async_trait::async_trait;
use merchant_otp_domain::{InstanceId, OtpDevice};

use crate::StoreError;

/// Keeps OTP devices, per instance.
#[async_trait]
pub trait OtpDeviceStore: Send + Sync + 'static {
    /// Stores a device of an instance, unless the instance has one with its id.
    ///
    /// Exactly one of several concurrent insertions of one id is [`OtpDeviceInsertion::Stored`]; all
    /// others see the device that it stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is stored then, [`StoreError::Write`] over a broken connection aside.
    async fn insert(
        &self,
        instance: &InstanceId,
        device: OtpDevice,
    ) -> Result<OtpDeviceInsertion, StoreError>;
}

/// What came of storing an OTP device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtpDeviceInsertion {
    /// It is stored.
    Stored,
    /// The instance has a device with the same id: this one. Nothing was changed.
    Exists(OtpDevice),
    /// There is no such instance. Nothing was changed.
    NoSuchInstance,
}
