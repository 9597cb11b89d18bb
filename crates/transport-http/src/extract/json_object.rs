//! JSON objects, as Taler's C libraries read them.
//!
//! Only known fields are kept, in nested objects too. Unknown fields are skipped at any depth, and
//! arrays are never built. The last of duplicate fields wins, and `null` counts as absent. Integers
//! may be written with a zero fraction or as a string, as some serializers do. No error quotes a
//! value: a field may contain a secret.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;
use zeroize::Zeroizing;

/// An error of reading a JSON object.
#[derive(Debug, Error)]
pub(crate) enum JsonError {
    /// The body is not JSON, or not an object.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// A field is missing, has the wrong type, or has a value that is not allowed.
    #[error("{reason}")]
    Field {
        /// The name of the field.
        name: &'static str,
        /// The reason.
        reason: Cow<'static, str>,
    },
}

impl JsonError {
    /// Converts the domain's error about the value of a field.
    pub(crate) fn refused<E: std::error::Error>(name: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Field { name, reason: error.to_string().into() }
    }

    /// Returns the position and the reason of a syntax error. The parser's reasons do not quote the
    /// text, except those about its data.
    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        if error.is_data() {
            return Self::Malformed("the body is not a JSON object".into());
        }
        let (line, column, text) = (error.line(), error.column(), error.to_string());
        let reason = text.split(" at line ").next().unwrap_or_default();
        Self::Malformed(format!("line {line}, column {column}: {reason}").into())
    }

    /// Returns the name of the invalid field, if there is one.
    pub(crate) fn field(&self) -> Option<&'static str> {
        match self {
            Self::Malformed(_) => None,
            Self::Field { name, .. } => Some(name),
        }
    }
}

/// A JSON value. Text may be a secret, so it is wiped on drop.
pub(crate) enum Value {
    /// An integer from −2^63 to 2^63 − 1.
    Integer(i64),
    /// A string.
    Text(Zeroizing<String>),
    /// `true` or `false`.
    Boolean(bool),
    /// An object.
    Object(JsonObject),
    /// Anything else but `null`.
    Other,
}

impl Value {
    /// Returns the string, or an error about the field `name`.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, JsonError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Integer(_) | Self::Boolean(_) | Self::Object(_) | Self::Other => {
                Err(JsonError::Field { name, reason: "the field is not a string".into() })
            }
        }
    }

    /// Returns the integer, or an error about the field `name`.
    pub(crate) fn integer(&self, name: &'static str) -> Result<i64, JsonError> {
        match self {
            Self::Integer(integer) => Some(*integer),
            Self::Text(text) => integer_in_text(text),
            Self::Boolean(_) | Self::Object(_) | Self::Other => None,
        }
        .ok_or_else(|| {
            let reason = "the field is not an integer from -2^63 to 2^63 - 1";
            JsonError::Field { name, reason: reason.into() }
        })
    }

    /// Returns the boolean, or an error about the field `name`.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<bool, JsonError> {
        match self {
            Self::Boolean(boolean) => Ok(*boolean),
            Self::Text(_) | Self::Integer(_) | Self::Object(_) | Self::Other => {
                Err(JsonError::Field { name, reason: "the field is neither true nor false".into() })
            }
        }
    }

    /// Returns the object, or an error about the field `name`.
    pub(crate) fn object(self, name: &'static str) -> Result<JsonObject, JsonError> {
        match self {
            Self::Object(object) => Ok(object),
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Other => {
                Err(JsonError::Field { name, reason: "the field is not an object".into() })
            }
        }
    }
}

/// The known fields of an object.
pub(crate) struct JsonObject(Vec<(&'static str, Value)>);

impl JsonObject {
    /// Parses an object and keeps the known fields.
    pub(crate) fn parse(json: &[u8], known: &'static [&'static str]) -> Result<Self, JsonError> {
        let mut deserializer = serde_json::Deserializer::from_str(text(json)?);
        let fields = KnownFields(known).deserialize(&mut deserializer);
        let fields = fields.map_err(|error| JsonError::syntax(&error))?;
        deserializer.end().map_err(|error| JsonError::syntax(&error))?;
        Ok(fields)
    }

    /// Removes and returns a field; `None` if it is missing or `null`.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        let position = self.0.iter().position(|(field, _)| *field == name)?;
        Some(self.0.swap_remove(position).1)
    }

    /// Removes and returns a mandatory field.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<Value, JsonError> {
        self.take(name).ok_or(JsonError::Field { name, reason: "the field is missing".into() })
    }

    /// Removes and returns a mandatory string.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Zeroizing<String>, JsonError> {
        self.required(name)?.text(name).map(|text| Zeroizing::new(text.to_owned()))
    }
}

/// Returns the text of a body, without the byte-order mark that some clients write (RFC 8259
/// section 8.1 allows to ignore it).
pub(crate) fn text(json: &[u8]) -> Result<&str, JsonError> {
    if json.starts_with(b"\xff\xfe") || json.starts_with(b"\xfe\xff") {
        return Err(JsonError::Malformed("the body is UTF-16; send UTF-8".into()));
    }
    let text = str::from_utf8(json).map_err(|error| {
        let byte = error.valid_up_to() + 1;
        JsonError::Malformed(format!("the body is not UTF-8 (byte {byte}); send UTF-8").into())
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Returns the integer that a string contains in decimal digits, if it does.
fn integer_in_text(text: &str) -> Option<i64> {
    // `parse` accepts a plus sign.
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

/// Returns a number without a fraction as an integer, if every integer of its size is exact.
fn whole(number: f64) -> Option<i64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && (-MAX..=MAX).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number up to 2^53")]
    is_whole.then_some(number as i64)
}

#[derive(Clone, Copy)]
struct KnownFields(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KnownFields {
    type Value = JsonObject;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KnownFields {
    type Value = JsonObject;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let Some(name) = self.0.iter().find(|name| **name == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            fields.retain(|(field, _)| field != name);
            if let Some(value) = map.next_value_seed(AnyValue(self))? {
                fields.push((*name, value));
            }
        }
        Ok(JsonObject(fields))
    }
}

/// Reads one value; `None` is `null`.
struct AnyValue(KnownFields);

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Boolean(boolean)))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Integer(integer)))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(integer).map_or(Value::Other, Value::Integer)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(whole(number).map_or(Value::Other, Value::Integer)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Zeroizing::new(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(Value::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.visit_map(map).map(|object| Some(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[&str] = &["text", "integer"];

    fn parse(json: &str) -> Result<JsonObject, JsonError> {
        JsonObject::parse(json.as_bytes(), KNOWN)
    }

    fn text(json: &str) -> String {
        parse(json).unwrap().text("text").unwrap().to_string()
    }

    fn integer(json: &str) -> Result<Option<i64>, JsonError> {
        let field = parse(json).unwrap().take("integer");
        field.map(|field| field.integer("integer")).transpose()
    }

    #[test]
    fn known_fields_are_kept_and_others_skipped() {
        let deep =
            format!(r#"{{"other": {}1{}, "text": "a"}}"#, "[".repeat(9_999), "]".repeat(9_999));
        assert_eq!(text(&deep), "a");
        assert_eq!(text(r#"{"x": {"text": "b"}, "text": "a", "Text": "c"}"#), "a");
        assert_eq!(text(r#" {"te\u0078t": "\u00fc\ud83e\uddc0"} "#), "ü🧀");
    }

    #[test]
    fn nested_objects_keep_the_known_fields_too() {
        let mut outer = JsonObject::parse(
            br#"{"integer": {"other": {"text": 1}, "text": "a", "integer": null}, "text": true}"#,
            KNOWN,
        )
        .unwrap();
        assert!(outer.required("text").unwrap().boolean("text").unwrap());
        let mut inner = outer.required("integer").unwrap().object("integer").unwrap();
        assert_eq!(inner.text("text").unwrap().as_str(), "a");
        assert!(inner.take("integer").is_none());
        // Excessive nesting is malformed, and does not overflow the stack.
        let deep = format!("{}1{}", r#"{"text":"#.repeat(100_000), "}".repeat(100_000));
        assert!(matches!(parse(&deep), Err(JsonError::Malformed(_))));
    }

    #[test]
    fn the_last_of_duplicate_fields_wins() {
        assert_eq!(text(r#"{"text": 1, "text": "a", "text": "b"}"#), "b");
        let absent = parse(r#"{"text": "a", "text": null}"#).unwrap().text("text");
        assert!(matches!(absent, Err(JsonError::Field { name: "text", .. })));
    }

    #[test]
    fn null_is_absent() {
        assert_eq!(integer("{}").unwrap(), None);
        assert_eq!(integer(r#"{"integer": null}"#).unwrap(), None);
    }

    #[test]
    fn integers_have_64_bits() {
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(integer(&format!(r#"{{"integer": {value}}}"#)).unwrap(), Some(value));
        }
        // As serializers write integers: with a zero fraction, with an exponent, as a string.
        for (value, expected) in [
            ("1.0", 1),
            ("-0.0", 0),
            ("1e2", 100),
            ("9007199254740992.0", 1 << 53),
            ("\"1\"", 1),
            ("\"-1\"", -1),
            ("\"9223372036854775807\"", i64::MAX),
        ] {
            let read = integer(&format!(r#"{{"integer": {value}}}"#)).unwrap();
            assert_eq!(read, Some(expected), "{value}");
        }
        let no_integers = [
            "1.5",
            "1e20",
            "9007199254740994.0",
            "9223372036854775808",
            "-9223372036854775809",
            "\"\"",
            "\"+1\"",
            "\"1.0\"",
            "\" 1\"",
            "\"one\"",
            "true",
            "[]",
            "{}",
        ];
        for value in no_integers {
            let error = integer(&format!(r#"{{"integer": {value}}}"#)).unwrap_err();
            assert_eq!(error.field(), Some("integer"), "{value}");
        }
    }

    #[test]
    fn texts_that_are_not_an_object_are_malformed() {
        for json in [
            "",
            " ",
            "null",
            "[]",
            "\"text\"",
            "1",
            "{",
            "{}{}",
            "{} x",
            "{\"text\": }",
            "{'text': 1}",
            "{\"text\": \"a\",}",
            "\u{feff}\u{feff}{}",
            "{\"text\": \"\\ud800\"}",
            "{\"integer\": 1e999}",
            "{\"text\": \"\n\"}",
            "{\"integer\": 01}",
        ] {
            assert!(matches!(parse(json), Err(JsonError::Malformed(_))), "{json}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        assert_eq!(text("\u{feff}{\"text\": \"a\"}"), "a");
    }

    #[test]
    fn the_reason_and_the_position_are_reported_without_the_text() {
        for (json, detail) in [
            (&b"{\"text\": \"Caf\xe9\"}"[..], "the body is not UTF-8 (byte 14); send UTF-8"),
            (b"\xff\xfe{\0}\0", "the body is UTF-16; send UTF-8"),
            (b"\xfe\xff\0{\0}", "the body is UTF-16; send UTF-8"),
            (b"{\"text\": \"secret\",}", "line 1, column 19: trailing comma"),
            (b"{\n\"text\": \"\\ud83d\"}", "line 2, column 16: unexpected end of hex escape"),
            (b"{\"text\": secret}", "line 1, column 10: expected value"),
            (b"{\"text\": \"secret", "line 1, column 16: EOF while parsing a string"),
            (b"{} secret", "line 1, column 4: trailing characters"),
            (b"", "line 1, column 0: EOF while parsing a value"),
            (b"\"secret\"", "the body is not a JSON object"),
            (b"[1]", "the body is not a JSON object"),
        ] {
            let error = JsonObject::parse(json, KNOWN).err().unwrap().to_string();
            assert_eq!(error, detail);
        }
    }

    proptest! {
        #[test]
        fn every_text_round_trips(value in any::<String>()) {
            let json = serde_json::json!({ "before": [1, {"text": 2}], "text": value });
            prop_assert_eq!(text(&json.to_string()), value);
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(json in any::<Vec<u8>>()) {
            let _either_is_fine = JsonObject::parse(&json, KNOWN);
        }

        #[test]
        fn anything_like_json_is_parsed_without_a_panic(
            json in r#"[\[\]{}:," a0-9eE.tfn\\u-]{0,60}"#,
        ) {
            let _either_is_fine = parse(&json);
            let _either_is_fine = parse(&format!(r#"{{"text": {json}}}"#));
        }

        #[test]
        fn no_error_quotes_the_text(before in r#"[\[\]{}:," a0-9eE.tfn\\u-]{0,20}"#) {
            let text = format!(r#"{before}"hunter2"{before}hunter2{before}"#);
            for json in [text.clone(), format!(r#"{{"text": {text}}}"#)] {
                let told = parse(&json).err().map(|error| error.to_string()).unwrap_or_default();
                prop_assert!(!told.contains("hunter2"), "{}", told);
            }
        }
    }
}
