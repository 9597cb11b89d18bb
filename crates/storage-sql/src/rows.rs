//! Rows of the tables, and their conversion from and to values of the domain.
//!
//! Rows that are written are owned, so that a statement can outlive the caller that made it.

use diesel::prelude::*;
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent,
    Expiration, Instance, InstanceId, InstanceName, MasterKeyId, OtpAlgorithm, OtpCounter,
    OtpDeviceDescription, OtpDeviceId, OtpDeviceSummary, PasswordHash, SealedOtpDevice,
    SealedOtpKey, Timestamp, TokenScope,
};
use merchant_otp_ports::{
    AccessTokenLookup, Cause, DeviceKey, OtpDeviceInsertion, StoredAccessToken, StoredInstance,
};

use crate::Failure;
use crate::schema::{access_tokens, instances, otp_devices};

/// A new row of `instances`; the database assigns the serial. It holds a password hash: no `Debug`.
#[derive(Insertable)]
#[diesel(table_name = instances)]
pub struct NewInstanceRow {
    /// The id.
    pub id: String,
    name: String,
    password_hash: Option<String>,
    deleted: bool,
}

impl NewInstanceRow {
    /// The row of an instance.
    #[must_use]
    pub fn new(instance: &Instance, password: Option<&PasswordHash>) -> Self {
        Self {
            id: instance.id.as_str().to_owned(),
            name: instance.name.as_str().to_owned(),
            password_hash: password.map(|hash| hash.as_str().to_owned()),
            deleted: false,
        }
    }
}

/// A row of `instances`. It holds a password hash: no `Debug`.
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
    /// The instance of the row.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
    pub fn into_instance(self) -> Result<StoredInstance, Cause> {
        let instance =
            Instance { id: InstanceId::parse(&self.id)?, name: InstanceName::parse(self.name)? };
        let password = self.password_hash.map(PasswordHash::parse).transpose()?;
        Ok(StoredInstance { serial: self.serial, instance, password, deleted: self.deleted })
    }
}

/// What an access token is found by: its instance and its digest.
pub type TokenKey = (InstanceId, [u8; 32]);

/// A new row of `access_tokens`; the database assigns the serial.
#[derive(Insertable)]
#[diesel(table_name = access_tokens)]
pub struct NewAccessTokenRow {
    instance_id: String,
    digest: Vec<u8>,
    scope: String,
    created_at: i64,
    expires_at: Option<i64>,
    description: String,
}

impl NewAccessTokenRow {
    /// The row of a token.
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

/// The columns of `access_tokens` that are read.
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
    /// The outcome of a look-up that found an instance, deleted or not, and the row of the token in
    /// it.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
    pub fn into_lookup(found: Option<(bool, Option<Self>)>) -> Result<AccessTokenLookup, Cause> {
        match found {
            None => Ok(AccessTokenLookup::NoSuchInstance),
            Some((true, _)) => Ok(AccessTokenLookup::InstanceDeleted),
            Some((false, None)) => Ok(AccessTokenLookup::NotFound),
            Some((false, Some(row))) => row.into_token().map(AccessTokenLookup::Found),
        }
    }

    /// The token of the row.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
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

/// Lists devices of the instance `$1` after the id `$2`: at most `$3`, of at most `$4` bytes in
/// all.
///
/// The first one is always among them. The inner query bounds what the sums are computed of. As
/// SQL, because diesel has no queries in the place of a table; `$1` is a parameter of SQLite too.
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
    /// The summary of the row.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
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

/// A device to insert: a request to the batcher of insertions.
#[derive(Clone, Debug)]
pub struct DeviceToInsert {
    /// The instance that gets the device.
    pub instance: InstanceId,
    /// The device.
    pub device: SealedOtpDevice,
    /// The event to append to the audit trail if the device is stored.
    pub event: AuditEvent,
}

/// The outcome of an insertion that met a device of the same id, from what was read after it.
///
/// # Errors
///
/// [`Failure::Contention`] if the device was removed between the two.
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
    /// The device of the row.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
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
    /// The sealed key of the row, and its device.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
    pub fn into_key(self) -> Result<DeviceKey, Cause> {
        let instance = InstanceId::parse(&self.instance_id)?;
        let device = OtpDeviceId::parse(self.device_id)?;
        // Named: the operator has to remove it before all keys can be sealed again.
        let named = |error| format!("the device {device} of the instance {instance}: {error}");
        let key = SealedOtpKey::new(self.sealed_key);
        let key = key.map_err(named)?;
        Ok(DeviceKey { instance, device, key })
    }
}

/// Counts the devices whose keys each master key sealed, by the id that sealed keys begin with.
///
/// As SQL, because diesel does not see that both expressions are equal. A row that is too damaged
/// to have an id must not keep the service from starting.
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
    /// The master key, and the number of devices.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: the broken rule, and not the value.
    pub fn into_count(self) -> Result<(MasterKeyId, u64), Cause> {
        let id = self.id.try_into().map_err(|_| "a key without an id")?;
        let devices = u64::try_from(self.devices)?;
        Ok((MasterKeyId::new(id), devices))
    }
}
