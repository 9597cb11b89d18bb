//! Settings of instances as JSON: compared by value, merged by name.

use std::fmt;

use merchant_otp_domain::{InstanceSettings, InstanceSettingsError};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Error;

/// A member of settings: its name, and its value as it was written.
pub type Member = (String, Box<RawValue>);

/// Whether two settings have the same value. The order of their members does not matter, and a
/// member that is `null` counts as absent.
pub(crate) fn are_equal(one: &InstanceSettings, other: &InstanceSettings) -> bool {
    let value = |settings: &InstanceSettings| {
        serde_json::from_str::<Value>(settings.as_str()).ok().map(without_nulls)
    };
    one == other || value(one).is_some_and(|one| Some(one) == value(other))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        value => value,
    }
}

/// Returns settings with the members of `change` replaced or added. All others, and the order, are
/// kept as they were written.
///
/// # Errors
///
/// [`Error::InstanceSettings`] if the result is too long.
pub(crate) fn merged(
    current: &InstanceSettings,
    change: &InstanceSettings,
) -> Result<InstanceSettings, Error> {
    let mut members = members(current);
    for (name, value) in self::members(change) {
        match members.iter_mut().find(|(member, _)| *member == name) {
            Some((_, current)) => *current = value,
            None => members.push((name, value)),
        }
    }
    from_members(&members).map_err(Error::InstanceSettings)
}

/// Returns settings with members in this order.
///
/// # Errors
///
/// If the settings are too long.
pub fn from_members(members: &[Member]) -> Result<InstanceSettings, InstanceSettingsError> {
    let mut text = "{".to_owned();
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Value::from(&**name).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    InstanceSettings::parse(text)
}

/// Returns the members of settings in their order. Settings that are not an object have none.
#[must_use]
pub fn members(settings: &InstanceSettings) -> Vec<Member> {
    serde_json::from_str(settings.as_str()).map(|Members(members)| members).unwrap_or_default()
}

struct Members(Vec<Member>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> InstanceSettings {
        InstanceSettings::parse(text).unwrap()
    }

    #[test]
    fn settings_are_compared_by_value() {
        for (one, other, equal) in [
            (r#"{"a":1,"b":[{"c":2}]}"#, r#"{ "b" : [ { "c": 2 } ], "a" : 1 }"#, true),
            (r#"{"a":"\u0041"}"#, r#"{"a":"A"}"#, true),
            (r#"{"a":null,"b":{"c":null}}"#, r#"{"b":{}}"#, true),
            (r#"{"a":[null]}"#, r#"{"a":[]}"#, false),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, false),
            (r#"{"a":1}"#, r#"{"a":1,"b":false}"#, false),
            ("{}", "not JSON", false),
            ("not JSON", "not JSON", true),
            ("not JSON", "also not", false),
        ] {
            assert_eq!(are_equal(&settings(one), &settings(other)), equal, "{one} {other}");
            assert_eq!(are_equal(&settings(other), &settings(one)), equal, "{one} {other}");
        }
    }

    #[test]
    fn a_change_keeps_the_order_and_the_other_members() {
        for (current, change, merged_settings) in [
            ("{}", "{}", "{}"),
            (r#"{"z":1e2, "a":[1.50]}"#, "{}", r#"{"z":1e2,"a":[1.50]}"#),
            (
                r#"{"z":1,"a":2,"m":3}"#,
                r#"{"a":{ "x" : 1 },"b":4}"#,
                r#"{"z":1,"a":{ "x" : 1 },"m":3,"b":4}"#,
            ),
            ("{}", r#"{"\u0061\"":true}"#, r#"{"a\"":true}"#),
        ] {
            let merged = merged(&settings(current), &settings(change)).unwrap();
            assert_eq!(merged.as_str(), merged_settings);
        }
        let long = settings(&format!(r#"{{"a":"{}"}}"#, "x".repeat(65_520)));
        assert!(merged(&long, &settings(r#"{"b":1}"#)).is_ok());
        let too_long = merged(&long, &settings(r#"{"b":"0123456789"}"#));
        assert!(matches!(too_long, Err(Error::InstanceSettings(_))));
    }
}
