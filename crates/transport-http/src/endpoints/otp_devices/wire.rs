//! The bodies of requests and responses about devices.

use merchant_otp_application::OtpDeviceAt;
use merchant_otp_domain::{
    OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceChange, OtpDeviceDescription, OtpDeviceId,
    OtpDeviceSummary, OtpKey,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Type};

use crate::extract::json_object::{JsonError, JsonObject, Value};

const ID: &str = "otp_device_id";
const DESCRIPTION: &str = "otp_device_description";
const KEY: &str = "otp_key";
const ALGORITHM: &str = "otp_algorithm";
const COUNTER: &str = "otp_ctr";

/// A device with its codes.
#[derive(Serialize, ToSchema)]
pub(crate) struct OtpDeviceDetails<'a> {
    /// The description for people.
    device_description: &'a str,
    /// The algorithm of the codes: 0, 1 or 2.
    otp_algorithm: u8,
    /// The counter. No algorithm uses it.
    otp_ctr: i64,
    /// The time of the codes, in seconds since the epoch.
    otp_timestamp: u64,
    /// The codes of five time steps, one per line, in ascending order: the two steps before the
    /// time, its own step, and the two steps after it. Absent if there are no codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{8}(\n[0-9]{8}){4}$")]
    otp_code: Option<String>,
}

impl<'a> From<&'a OtpDeviceAt> for OtpDeviceDetails<'a> {
    fn from(found: &'a OtpDeviceAt) -> Self {
        Self {
            device_description: found.device.description().as_str(),
            otp_algorithm: found.device.algorithm().number(),
            otp_ctr: found.device.counter().value(),
            otp_timestamp: found.time.seconds(),
            otp_code: found.codes.as_ref().map(ToString::to_string),
        }
    }
}

/// The devices of an instance. A long list is streamed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what is written page by page")]
pub(crate) struct OtpDeviceSummaryResponse<'a> {
    /// The devices.
    otp_devices: Vec<OtpDeviceEntry<'a>>,
}

/// A device in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct OtpDeviceEntry<'a> {
    /// The id.
    otp_device_id: &'a str,
    /// The description for people.
    device_description: &'a str,
}

impl<'a> From<&'a OtpDeviceSummary> for OtpDeviceEntry<'a> {
    fn from(summary: &'a OtpDeviceSummary) -> Self {
        Self {
            otp_device_id: summary.id.as_str(),
            device_description: summary.description.as_str(),
        }
    }
}

impl OtpDeviceEntry<'_> {
    pub(crate) fn to_json(&self) -> String {
        #[expect(clippy::expect_used, reason = "two strings are always JSON")]
        serde_json::to_string(self).expect("JSON")
    }
}

/// A device to register.
#[derive(ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
pub(crate) struct OtpDeviceAddDetails {
    /// The id, unique in the instance: 1 to 255 bytes without slashes and control characters.
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 255,
        pattern = r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f-\x9f]+$"
    )]
    otp_device_id: OtpDeviceId,
    /// The description for people: up to 64 KiB without NUL.
    #[schema(value_type = String, max_length = 65_536, pattern = r"^[^\x00]*$")]
    otp_device_description: OtpDeviceDescription,
    /// The key in Base32 (RFC 3548); not empty unless the algorithm is `NONE`.
    #[schema(value_type = String, pattern = "^[A-Za-z2-7]{0,206}={0,6}$")]
    otp_key: OtpKey,
    /// The algorithm of the codes.
    #[schema(schema_with = algorithm_schema)]
    otp_algorithm: OtpAlgorithm,
    /// The counter of a counter-based device; 0 if absent.
    #[schema(value_type = Option<i64>, minimum = 0)]
    otp_ctr: Option<OtpCounter>,
}

impl OtpDeviceAddDetails {
    pub(crate) fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut details = JsonObject::parse(json, &[ID, DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
        let id = OtpDeviceId::parse(details.text(ID)?.as_str());
        Ok(Self {
            otp_device_id: id.map_err(JsonError::refused(ID))?,
            otp_device_description: description(&details.required(DESCRIPTION)?)?,
            otp_key: key(&details.required(KEY)?)?,
            otp_algorithm: algorithm(&details.required(ALGORITHM)?)?,
            otp_ctr: details.take(COUNTER).as_ref().map(counter).transpose()?,
        })
    }

    pub(crate) fn into_device(self) -> Result<OtpDevice, JsonError> {
        OtpDevice::new(
            self.otp_device_id,
            self.otp_device_description,
            self.otp_key,
            self.otp_algorithm,
            self.otp_ctr.unwrap_or_default(),
        )
        .map_err(JsonError::refused(KEY))
    }
}

/// A change of a device.
#[derive(ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
pub(crate) struct OtpDevicePatchDetails {
    /// The description for people.
    #[schema(value_type = Option<String>, max_length = 65_536, pattern = r"^[^\x00]*$")]
    otp_device_description: Option<OtpDeviceDescription>,
    /// The key in Base32 (RFC 3548).
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z2-7]{0,206}={0,6}$")]
    otp_key: Option<OtpKey>,
    /// The algorithm of the device, which cannot be changed.
    #[schema(schema_with = optional_algorithm_schema, required = false)]
    otp_algorithm: Option<OtpAlgorithm>,
    /// The counter of a counter-based device.
    #[schema(value_type = Option<i64>, minimum = 0)]
    otp_ctr: Option<OtpCounter>,
}

impl OtpDevicePatchDetails {
    pub(crate) fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut details = JsonObject::parse(json, &[DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
        Ok(Self {
            otp_device_description: details
                .take(DESCRIPTION)
                .as_ref()
                .map(description)
                .transpose()?,
            otp_key: details.take(KEY).as_ref().map(key).transpose()?,
            otp_algorithm: details.take(ALGORITHM).as_ref().map(algorithm).transpose()?,
            otp_ctr: details.take(COUNTER).as_ref().map(counter).transpose()?,
        })
    }

    pub(crate) fn into_change(self) -> OtpDeviceChange {
        OtpDeviceChange {
            description: self.otp_device_description,
            key: self.otp_key,
            algorithm: self.otp_algorithm,
            counter: self.otp_ctr,
        }
    }
}

fn algorithm_schema() -> OneOfBuilder {
    let numbers = OtpAlgorithm::ALL.iter().map(|algorithm| algorithm.number());
    let names = OtpAlgorithm::ALL.iter().map(|algorithm| algorithm.name());
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(numbers)))
        .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)))
}

fn optional_algorithm_schema() -> OneOfBuilder {
    algorithm_schema().item(ObjectBuilder::new().schema_type(Type::Null))
}

fn description(value: &Value) -> Result<OtpDeviceDescription, JsonError> {
    OtpDeviceDescription::parse(value.text(DESCRIPTION)?).map_err(JsonError::refused(DESCRIPTION))
}

fn key(value: &Value) -> Result<OtpKey, JsonError> {
    OtpKey::from_base32(value.text(KEY)?).map_err(JsonError::refused(KEY))
}

fn counter(value: &Value) -> Result<OtpCounter, JsonError> {
    OtpCounter::new(value.integer(COUNTER)?).map_err(JsonError::refused(COUNTER))
}

/// Reads an `otp_algorithm`: an integer, or a name in any case (protocol v7).
fn algorithm(value: &Value) -> Result<OtpAlgorithm, JsonError> {
    match value {
        Value::Integer(number) => {
            OtpAlgorithm::from_number(*number).map_err(JsonError::refused(ALGORITHM))
        }
        Value::Text(name) => match value.integer(ALGORITHM) {
            Ok(number) => OtpAlgorithm::from_number(number),
            Err(_) => OtpAlgorithm::from_name(name),
        }
        .map_err(JsonError::refused(ALGORITHM)),
        Value::Boolean(_) | Value::Object(_) | Value::Other => {
            let reason = "the field is neither an integer nor a string".into();
            Err(JsonError::Field { name: ALGORITHM, reason })
        }
    }
}
