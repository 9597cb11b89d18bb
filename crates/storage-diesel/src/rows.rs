//! Rows of the tables, and their way from and to values of the domain.

use diesel::prelude::*;
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, Expiration,
    Instance, InstanceId, InstanceName, MasterKeyId, OtpAlgorithm, OtpCounter,
    OtpDeviceDescription, OtpDeviceId, OtpDeviceSummary, PasswordHash, SealedOtpDevice,
    SealedOtpKey, Timestamp, TokenScope,
};
use merchant_otp_ports::{AccessTokenLookup, DeviceKey, StoredAccessToken, StoredInstance};

use crate::Failure;
use crate::schema::{access_tokens, instances, otp_devices};

/// A row of `instances`. It holds a hash of a password: there is no `Debug`.
#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = instances)]
pub struct InstanceRow {
    id: String,
    name: String,
    password_hash: Option<String>,
    deleted: bool,
}

impl InstanceRow {
    /// The row of a new instance.
    #[must_use]
    pub fn new(instance: &Instance, password: Option<&PasswordHash>) -> Self {
        Self {
            id: instance.id.as_str().to_owned(),
            name: instance.name.as_str().to_owned(),
            password_hash: password.map(|hash| hash.as_str().to_owned()),
            deleted: false,
        }
    }

    /// The id, to find the row by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The instance of the row.
    ///
    /// # Errors
    ///
    /// [`Failure::Corrupt`].
    pub fn into_instance(self) -> Result<StoredInstance, Failure> {
        let instance = Instance {
            id: InstanceId::parse(&self.id).map_err(Failure::corrupt)?,
            name: InstanceName::parse(self.name).map_err(Failure::corrupt)?,
        };
        let password =
            self.password_hash.map(PasswordHash::parse).transpose().map_err(Failure::corrupt)?;
        Ok(StoredInstance { instance, password, deleted: self.deleted })
    }
}

/// A new row of `access_tokens`; the database gives it its serial.
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

/// What is read of a row of `access_tokens`.
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
    /// What came of looking for a token, by whether its instance is deleted and its row, if there is one.
    ///
    /// # Errors
    ///
    /// [`Failure::Corrupt`].
    pub fn into_lookup(found: Option<(bool, Option<Self>)>) -> Result<AccessTokenLookup, Failure> {
        match found {
            None => Ok(AccessTokenLookup::NoSuchInstance),
            Some((true, _)) => Ok(AccessTokenLookup::InstanceDeleted),
            Some((false, None)) => Ok(AccessTokenLookup::Unknown),
            Some((false, Some(row))) => row.into_token().map(AccessTokenLookup::Found),
        }
    }

    /// The token of the row.
    ///
    /// # Errors
    ///
    /// [`Failure::Corrupt`].
    pub fn into_token(self) -> Result<StoredAccessToken, Failure> {
        let timestamp = |seconds: i64| {
            let seconds = u64::try_from(seconds).map_err(Failure::corrupt)?;
            Timestamp::from_seconds(seconds).map_err(Failure::corrupt)
        };
        let info = AccessTokenInfo {
            scope: TokenScope::parse(&self.scope).map_err(Failure::corrupt)?,
            created: timestamp(self.created_at)?,
            expiration: match self.expires_at {
                None => Expiration::Never,
                Some(end) => Expiration::At(timestamp(end)?),
            },
            description: AccessTokenDescription::parse(self.description)
                .map_err(Failure::corrupt)?,
        };
        let serial = AccessTokenSerial::new(self.serial).map_err(Failure::corrupt)?;
        Ok(StoredAccessToken { serial, info })
    }
}

/// What a list reads of a row of `otp_devices`.
#[derive(Queryable, Selectable)]
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
    /// [`Failure::Corrupt`].
    pub fn into_summary(self) -> Result<OtpDeviceSummary, Failure> {
        Ok(OtpDeviceSummary {
            id: OtpDeviceId::parse(self.device_id).map_err(Failure::corrupt)?,
            description: OtpDeviceDescription::parse(self.description).map_err(Failure::corrupt)?,
        })
    }
}

/// A row of `otp_devices` to write.
#[derive(AsChangeset, Clone, Copy, Insertable)]
#[diesel(table_name = otp_devices)]
pub struct NewOtpDeviceRow<'a> {
    /// The instance.
    pub instance_id: &'a str,
    /// The id in it.
    pub device_id: &'a str,
    /// The description.
    pub description: &'a str,
    /// The id of the master key, the nonce, the ciphertext and the tag.
    pub sealed_key: &'a [u8],
    /// The number of the algorithm in the protocol.
    pub algorithm: i16,
    /// The counter.
    pub counter: i64,
}

impl<'a> NewOtpDeviceRow<'a> {
    /// The row of a device.
    #[must_use]
    pub fn new(instance: &'a str, device: &'a SealedOtpDevice) -> Self {
        Self {
            instance_id: instance,
            device_id: device.id.as_str(),
            description: device.description.as_str(),
            sealed_key: device.key.as_bytes(),
            algorithm: device.algorithm.number().into(),
            counter: device.counter.value(),
        }
    }
}

/// A row of `otp_devices` that was read.
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
    /// [`Failure::Corrupt`].
    pub fn into_device(self) -> Result<SealedOtpDevice, Failure> {
        Ok(SealedOtpDevice {
            id: OtpDeviceId::parse(self.device_id).map_err(Failure::corrupt)?,
            description: OtpDeviceDescription::parse(self.description).map_err(Failure::corrupt)?,
            key: SealedOtpKey::new(self.sealed_key).map_err(Failure::corrupt)?,
            algorithm: OtpAlgorithm::from_number(self.algorithm.into())
                .map_err(Failure::corrupt)?,
            counter: OtpCounter::new(self.counter).map_err(Failure::corrupt)?,
        })
    }
}

/// What changing master keys reads of a row of `otp_devices`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = otp_devices)]
pub struct DeviceKeyRow {
    instance_id: String,
    device_id: String,
    sealed_key: Vec<u8>,
}

impl DeviceKeyRow {
    /// The sealed key of the row, and whose it is.
    ///
    /// # Errors
    ///
    /// [`Failure::Corrupt`].
    pub fn into_key(self) -> Result<DeviceKey, Failure> {
        let instance = InstanceId::parse(&self.instance_id).map_err(Failure::corrupt)?;
        let device = OtpDeviceId::parse(self.device_id).map_err(Failure::corrupt)?;
        // Named, for somebody has to remove it before all keys can be sealed again.
        let named = |error| format!("the device {device} of the instance {instance}: {error}");
        let key = SealedOtpKey::new(self.sealed_key);
        let key = key.map_err(|error| Failure::Corrupt(named(error).into()))?;
        Ok(DeviceKey { instance, device, key })
    }
}

/// Counts the devices whose keys a master key sealed, by the id that sealed keys begin with.
///
/// In SQL, for diesel does not see that both expressions are the same. A row that is damaged so much that
/// it has no id must not keep the service from starting.
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
    /// [`Failure::Corrupt`].
    pub fn into_count(self) -> Result<(MasterKeyId, u64), Failure> {
        let id = self.id.try_into().map_err(|_| Failure::Corrupt("a key without an id".into()))?;
        let devices = u64::try_from(self.devices).map_err(Failure::corrupt)?;
        Ok((MasterKeyId::new(id), devices))
    }
}
