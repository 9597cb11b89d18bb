//! What the stores do with a connection.

use merchant_otp_domain::{
    AuditEvent, MasterKeyId, OtpDeviceSummary, SealedOtpDevice, SealedOtpKey, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenPage, AuditPosition, AuditRemoval, DeviceKey,
    InstanceInsertion, KeyReplacement, StoredAccessToken, StoredAuditEvent, StoredInstance,
};

use crate::Failure;
use crate::rows::{InstanceRow, NewAccessTokenRow};

/// What the stores do with a connection; each method is one atomic unit of work.
///
/// A method that takes an audit event stores it if it changes something.///
/// The methods answer what those of the stores of `merchant-otp-ports` answer, which say more.
/// [`units_of_work!`](crate::units_of_work!) implements all of them for a connection of diesel.
#[expect(clippy::missing_errors_doc, reason = "each fails with what it was doing: Failure")]
pub trait UnitsOfWork {
    /// Stores an instance, unless its id is there.
    fn insert_instance(
        &mut self,
        row: &InstanceRow,
        event: &AuditEvent,
    ) -> Result<InstanceInsertion, Failure>;

    /// The instance of an id.
    fn find_instance(&mut self, id: &str) -> Result<Option<StoredInstance>, Failure>;

    /// All instances, ordered by the bytes of their ids.
    fn list_instances(&mut self) -> Result<Vec<StoredInstance>, Failure>;

    /// Gives an instance another name, unless it is deleted.
    fn rename_instance(
        &mut self,
        id: &str,
        name: &str,
        event: &AuditEvent,
    ) -> Result<bool, Failure>;

    /// Gives an instance a password, unless it is deleted.
    fn set_password_of_instance(
        &mut self,
        id: &str,
        password: &str,
        event: &AuditEvent,
    ) -> Result<bool, Failure>;

    /// Marks an instance as deleted, unless it is.
    fn mark_instance_deleted(&mut self, id: &str, event: &AuditEvent) -> Result<bool, Failure>;

    /// Removes an instance; its devices and tokens go by `ON DELETE CASCADE`.
    fn remove_instance(&mut self, id: &str, event: &AuditEvent) -> Result<bool, Failure>;

    /// Stores an access token.
    fn insert_access_token(
        &mut self,
        row: &NewAccessTokenRow,
        event: &AuditEvent,
    ) -> Result<AccessTokenInsertion, Failure>;

    /// A page of the access tokens of an instance.
    fn list_access_tokens(
        &mut self,
        instance: &str,
        page: AccessTokenPage,
        limit: u16,
    ) -> Result<Vec<StoredAccessToken>, Failure>;

    /// Removes an access token of an instance.
    fn remove_access_token(
        &mut self,
        instance: &str,
        serial: i64,
        event: &AuditEvent,
    ) -> Result<bool, Failure>;

    /// Removes the access tokens of an instance that expire before a point in time.
    fn remove_expired_access_tokens(
        &mut self,
        instance: &str,
        before: Timestamp,
    ) -> Result<u64, Failure>;

    /// The first devices of an instance after an id, ordered by the bytes of their ids.
    fn list_otp_devices(
        &mut self,
        instance: &str,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Vec<OtpDeviceSummary>, Failure>;

    /// Puts a device in the place of an equal one.
    fn replace_otp_device(
        &mut self,
        instance: &str,
        current: &SealedOtpDevice,
        replacement: &SealedOtpDevice,
        event: &AuditEvent,
    ) -> Result<bool, Failure>;

    /// Removes a device of an instance.
    fn remove_otp_device(
        &mut self,
        instance: &str,
        device: &str,
        event: &AuditEvent,
    ) -> Result<bool, Failure>;

    /// Appends an audit event.
    fn append_audit_event(&mut self, event: &AuditEvent) -> Result<(), Failure>;

    /// The first audit events of an instance after a position.
    fn list_audit_events(
        &mut self,
        instance: &str,
        after: AuditPosition,
        limit: u16,
    ) -> Result<Vec<StoredAuditEvent>, Failure>;

    /// Removes audit events older than a point in time, among the first ones after a serial.
    fn remove_audit_events(
        &mut self,
        before: Timestamp,
        after: i64,
        limit: u16,
    ) -> Result<AuditRemoval, Failure>;

    /// The first sealed keys after a device, ordered by the bytes of the ids.
    fn list_device_keys(
        &mut self,
        after: Option<(&str, &str)>,
        limit: u16,
    ) -> Result<Vec<DeviceKey>, Failure>;

    /// The master keys that sealed keys of devices, and of how many.
    fn count_master_keys(&mut self) -> Result<Vec<(MasterKeyId, u64)>, Failure>;

    /// Puts sealed keys in the place of equal ones, in one transaction.
    fn replace_device_keys(&mut self, replacements: &[KeyReplacement]) -> Result<u64, Failure>;

    /// The versions of the migrations that are applied.
    fn applied_migrations(&mut self) -> Result<Vec<String>, Failure>;

    /// The samples of master keys.
    fn list_samples(&mut self) -> Result<Vec<SealedOtpKey>, Failure>;

    /// Stores the sample of a master key, unless there is one.
    fn insert_sample(&mut self, sample: &SealedOtpKey) -> Result<(), Failure>;

    /// Removes the sample of a master key.
    fn remove_sample(&mut self, master_key: MasterKeyId) -> Result<bool, Failure>;
}

/// The device that an insertion met, if it was still there when it was read.
///
/// # Errors
///
/// [`Failure::Contention`] if it was removed between the two.
pub fn device_in_the_way(device: Option<SealedOtpDevice>) -> Result<SealedOtpDevice, Failure> {
    device.ok_or_else(|| Failure::Contention("the device in the way was removed".into()))
}

/// The instance that an insertion met, by the row that was read after it.
///
/// # Errors
///
/// [`Failure::Contention`] if it was removed between the two, [`Failure::Corrupt`].
pub fn instance_in_the_way(row: Option<InstanceRow>) -> Result<StoredInstance, Failure> {
    row.ok_or_else(|| Failure::Contention("the instance in the way was removed".into()))?
        .into_instance()
}
