//! The settings of the protocol that the service stores for its clients, and does not use.

use std::fmt;

use merchant_otp_application::instance_settings::{Member, from_members};
use merchant_otp_domain::InstanceSettings;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::extract::json_object::{JsonError, text};

/// The names of the settings (merchant protocol, `InstanceConfigurationMessage`).
const NAMES: [&str; 12] = [
    "address",
    "jurisdiction",
    "use_stefan",
    "default_pay_delay",
    "default_refund_delay",
    "default_wire_transfer_delay",
    "default_wire_transfer_rounding_interval",
    "email",
    "phone_number",
    "website",
    "logo",
    "user_type",
];

/// The settings that a response always has, with the values that they have if they were not
/// written.
pub(crate) const DEFAULTS: [(&str, &str); 6] = [
    ("address", "{}"),
    ("jurisdiction", "{}"),
    ("use_stefan", "false"),
    ("default_pay_delay", r#"{"d_us":0}"#),
    ("default_refund_delay", r#"{"d_us":0}"#),
    ("default_wire_transfer_delay", r#"{"d_us":0}"#),
];

/// Reads the settings in a body, in their order. A setting that is `null` counts as absent.
pub(crate) fn read(json: &[u8]) -> Result<InstanceSettings, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text(json)?);
    let members = deserializer.deserialize_map(Settings);
    let members = members.map_err(|error| JsonError::syntax(&error))?;
    from_members(&members).map_err(|error| JsonError::Malformed(error.to_string().into()))
}

/// Keeps the known settings. Everything else is skipped, because it may be a secret.
struct Settings;

impl<'de> Visitor<'de> for Settings {
    type Value = Vec<Member>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<Member> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !NAMES.contains(&&*name) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: Box<RawValue> = map.next_value()?;
            // The last of duplicates counts, as for other fields.
            members.retain(|(member, _)| *member != name);
            if value.get() != "null" {
                members.push((name, value));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_settings_are_kept_as_written() {
        for (json, expected) in [
            ("{}", "{}"),
            (
                r#"{"use_stefan": true, "password": "x", "address" : {"town": null, "a": [1.0] }}"#,
                r#"{"use_stefan":true,"address":{"town": null, "a": [1.0] }}"#,
            ),
            (r#"{"email":null,"website":"a","website":"b"}"#, r#"{"website":"b"}"#),
            (r#"{"website":"a","website":null}"#, "{}"),
        ] {
            assert_eq!(read(json.as_bytes()).unwrap().as_str(), expected);
        }
        let long = format!(r#"{{"logo":"{}"}}"#, "x".repeat(65_536));
        assert!(read(long.as_bytes()).unwrap_err().to_string().contains("65536 bytes"));
        assert!(read(br#"{"logo":"secret"#).is_err());
    }

    #[test]
    fn the_defaults_are_json() {
        for (name, value) in DEFAULTS {
            assert!(NAMES.contains(&name));
            assert!(serde_json::from_str::<&RawValue>(value).is_ok());
        }
    }
}
