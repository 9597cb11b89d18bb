//! The port for OTP devices.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, OtpDeviceSummary, SealedOtpDevice};

use crate::StoreResult;

/// The OTP devices of all instances. Their keys are sealed: a store never sees a plain key.
///
/// ```
/// use merchant_otp_domain::{InstanceId, OtpDeviceId};
/// use merchant_otp_ports::{OtpDeviceStore, StoreResult};
///
/// async fn count(store: &dyn OtpDeviceStore, instance: &InstanceId) -> StoreResult<usize> {
///     let mut count = 0;
///     let mut last: Option<OtpDeviceId> = None;
///     loop {
///         let page = store.list(instance, last.as_ref(), 100, 65_536).await?;
///         let Some(device) = page.last() else { return Ok(count) };
///         count += page.len();
///         last = Some(device.id.clone());
///     }
/// }
/// ```
#[async_trait]
pub trait OtpDeviceStore: Send + Sync + 'static {
    /// Stores a device of an instance, unless the instance has a device with its id.
    ///
    /// Exactly one of several concurrent insertions of one id is [`OtpDeviceInsertion::Stored`];
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

    /// Finds a device of an instance by its id; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn find(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
    ) -> StoreResult<Option<SealedOtpDevice>>;

    /// Lists the devices of an instance after an id, ordered by the bytes of their ids.
    ///
    /// Starts with the first device if `after` is `None`; otherwise a device with that id need not
    /// exist. Returns at most `limit` devices whose ids and descriptions have at most `max_bytes`
    /// bytes in total, but at least one if there is one. An empty page is the end. An unknown
    /// instance has no devices.
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

    /// Replaces a device if it still equals `current` in every field (compare and swap); returns
    /// whether it was replaced.
    ///
    /// `replacement` has the same id. Of several concurrent replacements of a device, one succeeds.
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

    /// Removes a device of an instance; returns whether it existed.
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
    /// The device is stored.
    Stored,
    /// The instance has this device with the same id. Nothing was changed.
    Exists(SealedOtpDevice),
    /// The instance does not exist. Nothing was changed.
    NoSuchInstance,
}
