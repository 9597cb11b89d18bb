use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, OtpDeviceSummary, SealedOtpDevice};

use crate::StoreError;

/// Keeps OTP devices, per instance, with keys that are sealed: no store ever sees one that is not.
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
        device: SealedOtpDevice,
        event: &AuditEvent,
    ) -> Result<OtpDeviceInsertion, StoreError>;

    /// The device of an instance and an id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn find(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
    ) -> Result<Option<SealedOtpDevice>, StoreError>;

    /// The first `limit` devices of an instance after an id, ordered by the bytes of their ids.
    ///
    /// From the first device on if `after` is `None`. The id need not be there (any more). Fewer than
    /// `limit` are the last ones; an unknown instance has none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn list(
        &self,
        instance: &InstanceId,
        after: Option<&OtpDeviceId>,
        limit: u16,
    ) -> Result<Vec<OtpDeviceSummary>, StoreError>;

    /// Puts a device in the place of one with the same id, if that one still has all its details.
    ///
    /// Answers whether it did. Of several replacements of one device at once, one does.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is changed then, [`StoreError::Write`] over a broken connection aside.
    async fn replace(
        &self,
        instance: &InstanceId,
        current: &SealedOtpDevice,
        replacement: &SealedOtpDevice,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Removes a device of an instance; answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken connection aside.
    async fn remove(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;
}

/// What came of storing an OTP device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtpDeviceInsertion {
    /// It is stored.
    Stored,
    /// The instance has a device with the same id: this one. Nothing was changed.
    Exists(SealedOtpDevice),
    /// There is no such instance. Nothing was changed.
    NoSuchInstance,
}
