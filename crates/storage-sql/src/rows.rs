//! Rows of the tables, and conversions between them and domain values.
//!
//! Values that are moved into a unit of work own their data, so that the unit can outlive its
//! caller.

use diesel::prelude::*;
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent,
    Expiration, Instance, InstanceId, InstanceName, InstanceSettings, MasterKeyId, OtpAlgorithm,
    OtpCounter, OtpDeviceDescription, OtpDeviceId, OtpDeviceSummary, PasswordHash, SealedOtpDevice,
    SealedOtpKey, Timestamp, TokenScope,
};
use merchant_otp_ports::{
    AccessTokenLookup, Cause, DamagedKey, DeviceKey, OtpDeviceInsertion, StoredAccessToken,
    StoredInstance,
};

use crate::Failure;
use crate::schema::{access_tokens, instances, otp_devices};

/// A new row of `instances`, without its serial. Not `Debug`, because it holds a password hash.
#[derive(Insertable)]
#[diesel(table_name = instances)]
pub struct NewInstanceRow {
    /// The id.
    pub id: String,
    name: String,
    password_hash: Option<String>,
    deleted: bool,
    settings: String,
}

impl NewInstanceRow {
    /// Creates the row of an instance.
    #[must_use]
    pub fn new(instance: &Instance, password: Option<&PasswordHash>) -> Self {
        Self {
            id: instance.id.as_str().to_owned(),
            name: instance.name.as_str().to_owned(),
            password_hash: password.map(|hash| hash.as_str().to_owned()),
            deleted: false,
            settings: instance.settings.as_str().to_owned(),
        }
    }
}

/// A row of `instances`, without its settings. Not `Debug`, because it holds a password hash.
#[derive(Queryable, Selectable)]
#[diesel(table_name = instances)]
pub struct InstanceRow {
    id: String,
    serial: i64,
    name: String,
    password_hash: Option<String>,
    deleted: bool,
}

impl InstanceRow {
    /// Converts the row to an instance without its settings.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_instance(self) -> Result<StoredInstance, Cause> {
        self.with_settings(InstanceSettings::default())
    }

    /// Converts the row and the settings to an instance.
    ///
    /// # Errors
    ///
    /// As [`InstanceRow::into_instance`].
    pub fn into_complete_instance(
        (row, settings): (Self, String),
    ) -> Result<StoredInstance, Cause> {
        row.with_settings(InstanceSettings::parse(settings)?)
    }

    fn with_settings(self, settings: InstanceSettings) -> Result<StoredInstance, Cause> {
        let (id, name) = (InstanceId::parse(&self.id)?, InstanceName::parse(self.name)?);
        let instance = Instance { id, name, settings };
        let password = self.password_hash.map(PasswordHash::parse).transpose()?;
        Ok(StoredInstance { serial: self.serial, instance, password, deleted: self.deleted })
    }
}

/// The key of an access token: its instance and its digest.
pub type TokenKey = (InstanceId, [u8; 32]);

/// A new row of `access_tokens`, without its serial.
#[derive(Insertable)]
#[diesel(table_name = access_tokens)]
pub struct NewAccessTokenRow {
    /// The instance of the token.
    pub instance_id: String,
    digest: Vec<u8>,
    scope: String,
    /// When the token is created, in seconds since the epoch.
    pub created_at: i64,
    expires_at: Option<i64>,
    description: String,
}

impl NewAccessTokenRow {
    /// Creates the row of an access token.
    #[must_use]
    pub fn new(instance: &InstanceId, digest: &AccessTokenDigest, info: &AccessTokenInfo) -> Self {
        // A timestamp is below 2^53.
        let seconds = |timestamp: Timestamp| timestamp.seconds().cast_signed();
        Self {
            instance_id: instance.as_str().to_owned(),
            digest: digest.as_bytes().to_vec(),
            scope: info.scope.to_string(),
            created_at: seconds(info.created),
            expires_at: match info.expiration {
                Expiration::Never => None,
                Expiration::At(end) => Some(seconds(end)),
            },
            description: info.description.as_str().to_owned(),
        }
    }
}

/// A row of `access_tokens`, without its instance and digest.
#[derive(Queryable, Selectable)]
#[diesel(table_name = access_tokens)]
pub struct AccessTokenRow {
    serial: i64,
    scope: String,
    created_at: i64,
    expires_at: Option<i64>,
    description: String,
}

impl AccessTokenRow {
    /// Converts the result of a look-up: whether the instance is deleted, and the token's row.
    /// `found` is `None` if the instance does not exist.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_lookup(found: Option<(bool, Option<Self>)>) -> Result<AccessTokenLookup, Cause> {
        match found {
            None => Ok(AccessTokenLookup::NoSuchInstance),
            Some((true, _)) => Ok(AccessTokenLookup::InstanceDeleted),
            Some((false, None)) => Ok(AccessTokenLookup::NotFound),
            Some((false, Some(row))) => row.into_token().map(AccessTokenLookup::Found),
        }
    }

    /// Converts the row to an access token.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_token(self) -> Result<StoredAccessToken, Cause> {
        let timestamp =
            |seconds: i64| Ok::<_, Cause>(Timestamp::from_seconds(u64::try_from(seconds)?)?);
        let info = AccessTokenInfo {
            scope: TokenScope::parse(&self.scope)?,
            created: timestamp(self.created_at)?,
            expiration: match self.expires_at {
                None => Expiration::Never,
                Some(end) => Expiration::At(timestamp(end)?),
            },
            description: AccessTokenDescription::parse(self.description)?,
        };
        let serial = AccessTokenSerial::new(self.serial)?;
        Ok(StoredAccessToken { serial, info })
    }
}

/// Lists devices of the instance `$1` after the id `$2`: at most `$3` devices, with at most `$4`
/// bytes of ids and descriptions in total.
///
/// The first device is always listed. The inner query limits the rows over which the sums are
/// computed. This is SQL because diesel does not support a subquery in place of a table; SQLite
/// accepts `$1` as a parameter too.
pub const LIST_OTP_DEVICES: &str = "\
    SELECT device_id, description FROM (\
        SELECT device_id, description, octet_length(device_id) + octet_length(description) AS own,\
               sum(octet_length(device_id) + octet_length(description)) OVER (ORDER BY device_id)\
               AS bytes \
        FROM (SELECT device_id, description FROM otp_devices \
              WHERE instance_id = $1 AND device_id > $2 ORDER BY device_id LIMIT $3) AS candidates\
    ) AS page WHERE bytes <= $4 OR bytes = own ORDER BY device_id";

/// A row of [`LIST_OTP_DEVICES`].
#[derive(QueryableByName)]
#[diesel(table_name = otp_devices)]
pub struct OtpDeviceSummaryRow {
    device_id: String,
    description: String,
}

impl OtpDeviceSummaryRow {
    /// Converts the row to a summary.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_summary(self) -> Result<OtpDeviceSummary, Cause> {
        Ok(OtpDeviceSummary {
            id: OtpDeviceId::parse(self.device_id)?,
            description: OtpDeviceDescription::parse(self.description)?,
        })
    }
}

/// A new row of `otp_devices`.
#[derive(Clone, Copy, Insertable)]
#[diesel(table_name = otp_devices)]
pub struct NewOtpDeviceRow<'a> {
    /// The instance.
    pub instance_id: &'a str,
    /// The id within the instance.
    pub device_id: &'a str,
    /// The description.
    pub description: &'a str,
    /// Id of the master key, nonce, ciphertext and tag.
    pub sealed_key: &'a [u8],
    /// The number of the algorithm in the protocol.
    pub algorithm: i16,
    /// The counter.
    pub counter: i64,
}

impl<'a> From<&'a DeviceToInsert> for NewOtpDeviceRow<'a> {
    fn from(DeviceToInsert { instance, device, .. }: &'a DeviceToInsert) -> Self {
        Self {
            instance_id: instance.as_str(),
            device_id: device.id.as_str(),
            description: device.description.as_str(),
            sealed_key: device.key.as_bytes(),
            algorithm: device.algorithm.number().into(),
            counter: device.counter.value(),
        }
    }
}

/// A device to insert: a request to the insertion batcher.
#[derive(Clone, Debug)]
pub struct DeviceToInsert {
    /// The instance that gets the device.
    pub instance: InstanceId,
    /// The device.
    pub device: SealedOtpDevice,
    /// The event to append to the audit trail if the device is stored.
    pub event: AuditEvent,
}

/// The result of an insertion that conflicted with a device of the same id, which was read
/// afterwards.
///
/// # Errors
///
/// [`Failure::Contention`] if the device was removed in between.
pub fn conflicting_device(found: Option<SealedOtpDevice>) -> Result<OtpDeviceInsertion, Failure> {
    let removed = || Failure::Contention("the conflicting device was removed meanwhile".into());
    found.map(OtpDeviceInsertion::Exists).ok_or_else(removed)
}

/// A row of `otp_devices`, without its instance.
#[derive(Queryable, Selectable)]
#[diesel(table_name = otp_devices)]
pub struct OtpDeviceRow {
    device_id: String,
    description: String,
    sealed_key: Vec<u8>,
    algorithm: i16,
    counter: i64,
}

impl OtpDeviceRow {
    /// Converts the row to a device.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_device(self) -> Result<SealedOtpDevice, Cause> {
        Ok(SealedOtpDevice {
            id: OtpDeviceId::parse(self.device_id)?,
            description: OtpDeviceDescription::parse(self.description)?,
            key: SealedOtpKey::new(self.sealed_key)?,
            algorithm: OtpAlgorithm::from_number(self.algorithm.into())?,
            counter: OtpCounter::new(self.counter)?,
        })
    }
}

/// The columns of `otp_devices` that a master-key rotation reads.
#[derive(Queryable, Selectable)]
#[diesel(table_name = otp_devices)]
pub struct DeviceKeyRow {
    instance_id: String,
    device_id: String,
    sealed_key: Vec<u8>,
}

impl DeviceKeyRow {
    /// Converts the row to a sealed key with its device.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_key(self) -> Result<DeviceKey, DamagedKey> {
        let Self { instance_id: instance, device_id: device, sealed_key } = self;
        let key = |instance: &str, device: &str| {
            let (instance, device) = (InstanceId::parse(instance)?, OtpDeviceId::parse(device)?);
            Ok(DeviceKey { instance, device, key: SealedOtpKey::new(sealed_key)? })
        };
        key(&instance, &device).map_err(|cause| DamagedKey { instance, device, cause })
    }
}

/// Counts devices by the master key that sealed their keys. A sealed key starts with the id of its
/// master key.
///
/// This is SQL because diesel does not recognise that both expressions are equal. Keys that are too
/// short to contain an id are skipped: they must not prevent the service from starting.
pub const COUNT_MASTER_KEYS: &str = "SELECT substr(sealed_key, 1, 8) AS id, count(*) AS devices \
                                     FROM otp_devices WHERE length(sealed_key) >= 8 \
                                     GROUP BY substr(sealed_key, 1, 8)";

/// A row of [`COUNT_MASTER_KEYS`].
#[derive(QueryableByName)]
pub struct MasterKeyCountRow {
    #[diesel(sql_type = diesel::sql_types::Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    devices: i64,
}

impl MasterKeyCountRow {
    /// Converts the row to the id of the master key and the number of devices.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_count(self) -> Result<(MasterKeyId, u64), Cause> {
        let id = self.id.try_into().map_err(|_| "a key without an id")?;
        let devices = u64::try_from(self.devices)?;
        Ok((MasterKeyId::new(id), devices))
    }
}
