//! The time formats of the protocol (`Timestamp` and `RelativeTime` of `api-common`).

use merchant_otp_domain::{Expiration, Lifetime, Timestamp};
use merchant_otp_taler_protocol::{FOREVER, NEVER};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Type};

use crate::extract::json_object::{JsonError, JsonObject};

/// A point in time.
#[derive(Serialize, ToSchema)]
#[schema(as = Timestamp)]
pub(crate) struct TimestampJson {
    /// Seconds since the epoch, or `never`.
    #[schema(schema_with = seconds_schema)]
    t_s: Seconds,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Seconds {
    At(u64),
    Never(&'static str),
}

/// A duration.
// A schema only: bodies are read field by field.
#[derive(ToSchema)]
#[schema(as = RelativeTime)]
#[expect(dead_code, reason = "a schema")]
pub(crate) struct RelativeTimeJson {
    /// Microseconds, or `forever`.
    #[schema(schema_with = microseconds_schema)]
    d_us: u64,
}

fn seconds_schema() -> OneOfBuilder {
    integer_or(NEVER)
}

fn microseconds_schema() -> OneOfBuilder {
    integer_or(FOREVER)
}

/// The schema of an integer below 2^53 or a word.
fn integer_or(word: &str) -> OneOfBuilder {
    let integer = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(Timestamp::MAX_SECONDS));
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([word]));
    OneOfBuilder::new().item(integer).item(word)
}

impl From<Timestamp> for TimestampJson {
    fn from(time: Timestamp) -> Self {
        Self { t_s: Seconds::At(time.seconds()) }
    }
}

impl From<Expiration> for TimestampJson {
    fn from(expiration: Expiration) -> Self {
        match expiration {
            Expiration::Never => Self { t_s: Seconds::Never(NEVER) },
            Expiration::At(end) => end.into(),
        }
    }
}

/// The name of the only field of a `RelativeTime`.
pub(crate) const MICROSECONDS: &str = "d_us";

/// Reads a `RelativeTime`: `{"d_us": …}`, microseconds below 2^53 or `"forever"`.
///
/// Fractions of a second are rounded up, so that no lifetime is shorter than requested.
pub(crate) fn lifetime(mut time: JsonObject) -> Result<Lifetime, JsonError> {
    const MAX_MICROSECONDS: u64 = 1 << 53;
    let value = time.required(MICROSECONDS)?;
    if value.text(MICROSECONDS).is_ok_and(|text| text.eq_ignore_ascii_case(FOREVER)) {
        return Ok(Lifetime::Forever);
    }
    let microseconds = value.integer(MICROSECONDS).ok().and_then(|value| u64::try_from(value).ok());
    match microseconds {
        Some(microseconds @ 0..MAX_MICROSECONDS) => {
            Ok(Lifetime::Seconds(microseconds.div_ceil(1_000_000)))
        }
        Some(MAX_MICROSECONDS..) | None => Err(JsonError::Field {
            name: MICROSECONDS,
            reason: "the field is neither 0 to 2^53 - 1 microseconds nor \"forever\"".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_microseconds_or_forever() {
        let read = |value: &str| {
            let json = format!("{{\"d_us\": {value}}}");
            lifetime(JsonObject::parse(json.as_bytes(), &[MICROSECONDS]).unwrap())
        };
        for (value, seconds) in [
            ("0", 0),
            ("1", 1),
            ("1000000", 1),
            ("1000001", 2),
            ("9007199254740991", 9_007_199_255),
            ("3600000000.0", 3600),
            ("\"3600000000\"", 3600),
        ] {
            assert_eq!(read(value).unwrap(), Lifetime::Seconds(seconds), "{value}");
        }
        for value in ["\"forever\"", "\"Forever\""] {
            assert_eq!(read(value).unwrap(), Lifetime::Forever, "{value}");
        }
        for value in ["-1", "9007199254740992", "1.5", "\"+1\"", "\"never\"", "null", "{}", "true"]
        {
            assert_eq!(read(value).unwrap_err().field(), Some("d_us"), "{value}");
        }
    }

    #[test]
    fn an_expiration_is_seconds_or_never() {
        let json = |expiration: Expiration| {
            serde_json::to_string(&TimestampJson::from(expiration)).unwrap()
        };
        assert_eq!(json(Expiration::Never), r#"{"t_s":"never"}"#);
        let at = Timestamp::from_seconds(1_700_000_000).unwrap();
        assert_eq!(json(Expiration::At(at)), r#"{"t_s":1700000000}"#);
    }
}
