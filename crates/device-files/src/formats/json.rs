//! JSON documents: the errors of the parser may quote values, so only their positions are kept.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::{FileError, Unsupported, limits};

/// Parses a document. Nesting is bounded by the parser, at 128.
pub(super) fn parse(text: &str) -> Result<Value, FileError> {
    if text.len() > limits::MAX_JSON_BYTES {
        return Err(FileError::DocumentTooLarge);
    }
    serde_json::from_str(text)
        .map_err(|error| FileError::Json(u64::try_from(error.line()).unwrap_or(u64::MAX)))
}

/// The format of a document, by its members.
pub(super) fn format(document: &Value) -> Result<crate::Format, FileError> {
    let unsupported = |kind| Err(FileError::Unsupported(kind));
    match document {
        Value::Array(entries) => match entries.first() {
            Some(Value::Object(entry)) if entry.contains_key("secret") => Ok(crate::Format::AndOtp),
            _ => unsupported(Unsupported::OtherJson),
        },
        Value::Object(members) if members.contains_key("header") => match members.get("db") {
            Some(Value::Object(_)) => Ok(crate::Format::Aegis),
            Some(Value::String(_)) => unsupported(Unsupported::EncryptedAegis),
            _ => unsupported(Unsupported::OtherJson),
        },
        _ => unsupported(Unsupported::OtherJson),
    }
}

/// The token that an authenticator app exported: its kind, and an object with the rest.
pub(super) fn exported_token(kind: &str, hash: &str, rest: &Value) -> Token {
    Token {
        kind: Kind::parse(kind),
        hash: if hash.is_empty() { Hash::Sha1 } else { Hash::parse(hash) },
        digits: number(rest, "digits").map_or(Digits::AppDefault, Digits::Stated),
        period: number(rest, "period"),
    }
}

/// A member as text; empty if it is missing or of another type.
pub(super) fn text(value: &Value, name: &str) -> Zeroizing<String> {
    let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
    Zeroizing::new(text.to_owned())
}

/// A member as a number; `None` if it is missing.
pub(super) fn number(value: &Value, name: &str) -> Option<Number> {
    match value.get(name)? {
        Value::Number(number) => Some(number.as_u64().map_or(Number::Unknown, Number::of)),
        Value::Null => None,
        _ => Some(Number::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use crate::{FileError, Options, Unsupported, read};

    #[test]
    fn other_documents_are_named_with_a_remedy() {
        let nested = "[".repeat(100_000);
        for (text, error) in [
            ("{\"items\":[]}", FileError::Unsupported(Unsupported::OtherJson)),
            ("[]", FileError::Unsupported(Unsupported::OtherJson)),
            ("[1]", FileError::Unsupported(Unsupported::OtherJson)),
            (
                "{\"version\":1,\"header\":{\"slots\":[]},\"db\":\"aGVsbG8=\"}",
                FileError::Unsupported(Unsupported::EncryptedAegis),
            ),
            ("[\n{\"secret\":\"JBSWY3DPEHPK3PXP\" x", FileError::Json(2)),
            (&nested, FileError::Json(1)),
        ] {
            assert_eq!(read(text.as_bytes(), &Options::default()).err(), Some(error));
        }
    }
}
