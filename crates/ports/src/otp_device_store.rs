//! The port for OTP devices.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, OtpDeviceSummary, SealedOtpDevice};

use crate::StoreResult;

/// The OTP devices of each instance. Their keys are sealed: a store never sees a plain one.
#[async_trait]
pub trait OtpDeviceStore: Send + Sync + 'static {
    /// Stores a device of an instance, unless the instance has one with its id.
    ///
    /// Of several concurrent insertions of one id exactly one is [`OtpDeviceInsertion::Stored`];
    /// all others return the device that it stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn insert(
        &self,
        instance: &InstanceId,
        device: SealedOtpDevice,
        event: &AuditEvent,
    ) -> StoreResult<OtpDeviceInsertion>;

    /// The device of an instance and an id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn find(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
    ) -> StoreResult<Option<SealedOtpDevice>>;

    /// The first devices of an instance after an id, ordered by the bytes of their ids.
    ///
    /// From the first device on if `after` is `None`. The id need not be there (any more). At most
    /// `limit` devices, whose ids and descriptions have at most `max_bytes` bytes together; but
    /// always one, if there is one. None are the end; an unknown instance has none.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(
        &self,
        instance: &InstanceId,
        after: Option<&OtpDeviceId>,
        limit: u16,
        max_bytes: u32,
    ) -> StoreResult<Vec<OtpDeviceSummary>>;

    /// Replaces a device if it still equals `current` in every detail (compare and swap).
    ///
    /// `replacement` has the same id. Returns whether the device was replaced; of several
    /// concurrent replacements of one device, one is.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn replace(
        &self,
        instance: &InstanceId,
        current: &SealedOtpDevice,
        replacement: &SealedOtpDevice,
        event: &AuditEvent,
    ) -> StoreResult<bool>;

    /// Removes a device of an instance; returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
        event: &AuditEvent,
    ) -> StoreResult<bool>;
}

/// The outcome of storing an OTP device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtpDeviceInsertion {
    /// It is stored.
    Stored,
    /// The instance has a device with the same id: this one. Nothing was changed.
    Exists(SealedOtpDevice),
    /// There is no such instance. Nothing was changed.
    NoSuchInstance,
}
