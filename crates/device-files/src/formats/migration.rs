//! Exports of Google Authenticator: `otpauth-migration://offline?data=…`, Base64 of a message of
//! Protocol Buffers.

use data_encoding::{BASE64, BASE64_NOPAD};
use prost::Message;
use url::Url;
use zeroize::Zeroizing;

use super::uri::{id_and_description, starts_with};
use crate::draft::{Collector, Draft, Key};
use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::{Fields, FileError, Place, Reason, limits};

/// The message of an export; the fields that the codes do not depend on are left out.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Payload {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Parameters>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Parameters {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    issuer: String,
    /// 0 is unspecified, and 1 is SHA-1.
    #[prost(int32, tag = "4")]
    algorithm: i32,
    /// 0 is unspecified, 1 is 6 digits, and 2 is 8.
    #[prost(int32, tag = "5")]
    digits: i32,
    /// 1 is HOTP, and 2 is TOTP.
    #[prost(int32, tag = "6")]
    kind: i32,
}

pub(crate) fn is_uri(text: &str) -> bool {
    starts_with(text, "otpauth-migration://")
}

/// Reads the entries of one URI.
pub(super) fn read_uri(
    text: &str,
    place: &Place,
    collector: &mut Collector<'_>,
) -> Result<(), FileError> {
    let payload = payload(text).filter(|payload| !payload.entries.is_empty());
    let Some(payload) = payload else {
        return collector.reject(place.clone(), Reason::Payload, Fields::default());
    };
    for entry in payload.entries {
        let secret = Zeroizing::new(entry.secret);
        let (id, description) = id_and_description(&entry.name, entry.issuer.trim());
        let token = Token {
            kind: match entry.kind {
                1 => Kind::Hotp,
                2 => Kind::Totp,
                _ => Kind::Other,
            },
            hash: if matches!(entry.algorithm, 0 | 1) { Hash::Sha1 } else { Hash::Other },
            digits: match entry.digits {
                0 => Digits::AppDefault,
                1 => Digits::Stated(Number::Known(6)),
                2 => Digits::Stated(Number::Known(8)),
                _ => Digits::Stated(Number::Unknown),
            },
            period: None,
        };
        let key = Key::Bytes(secret);
        let fields = Fields { id, description, ..Fields::default() };
        collector.add(Draft::new(place.clone(), fields, key, token))?;
    }
    Ok(())
}

fn payload(text: &str) -> Option<Payload> {
    if text.len() > limits::MAX_FIELD_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let (_, data) = url.query_pairs().find(|(name, _)| name == "data")?;
    // A `+` that is not percent-encoded is decoded as a blank; some tools write the alphabet for
    // URLs.
    let data = Zeroizing::new(data.replace([' ', '-'], "+").replace('_', "/"));
    let bytes = match BASE64.decode(data.as_bytes()) {
        Ok(bytes) => bytes,
        Err(_) => BASE64_NOPAD.decode(data.as_bytes()).ok()?,
    };
    Payload::decode(Zeroizing::new(bytes).as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceFile, Format, Options, read};

    fn file(data: &str) -> DeviceFile {
        let text = format!("otpauth-migration://offline?data={data}\n");
        read(text.as_bytes(), &Options::default()).unwrap()
    }

    /// Bytes that were written by hand after the message of the export, for one entry.
    fn entry(fields: &[u8]) -> String {
        let secret = b"\x0A\x14".iter().chain(b"12345678901234567890");
        let name = b"\x12\x0BShop:till-1\x1A\x04Shop".iter();
        let entry: Vec<u8> = secret.chain(name).chain(fields).copied().collect();
        let length = u8::try_from(entry.len()).unwrap();
        let data = [&[0x0A, length], &*entry, &[0x10, 1, 0x18, 1, 0x20, 0]].concat();
        BASE64.encode(&data).replace('+', "%2B").replace('=', "%3D")
    }

    #[test]
    fn an_entry_without_digits_shows_6() {
        // The example of the Key URI Format, as Google Authenticator exports it.
        let data = "CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC";
        let found = file(data);
        assert_eq!(found.format, Format::GoogleMigration);
        let rejected = found.entries[0].outcome.as_ref().unwrap_err();
        assert_eq!(rejected.reasons, [Reason::DigitsDefault]);
        assert_eq!(*rejected.fields.id, "alice@google.com");
        assert_eq!(*rejected.fields.key, "JBSWY3DPEHPK3PXP");
        assert_eq!(*rejected.fields.digits, "6");
    }

    #[test]
    fn an_entry_with_8_digits_is_a_device() {
        let found = file(&entry(&[0x20, 1, 0x28, 2, 0x30, 2]));
        let device = found.entries[0].outcome.as_ref().unwrap();
        assert_eq!(
            (device.id().as_str(), device.description().as_str()),
            ("till-1", "Shop: till-1")
        );
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
        for (fields, reason) in [
            ([0x20, 1, 0x28, 1, 0x30, 2], Reason::Digits(6)),
            ([0x20, 1, 0x28, 2, 0x30, 1], Reason::CounterBased),
            ([0x20, 2, 0x28, 2, 0x30, 2], Reason::Hash),
            ([0x20, 1, 0x28, 2, 0x30, 0], Reason::NotTotp),
            ([0x20, 1, 0x28, 3, 0x30, 2], Reason::NotWhole("the number of digits")),
        ] {
            let found = file(&entry(&fields));
            assert_eq!(found.entries[0].outcome.as_ref().unwrap_err().reasons, [reason]);
        }
    }

    #[test]
    fn a_damaged_payload_is_rejected() {
        for data in ["!", "CjEKCkhlbGxv", ""] {
            let found = file(data);
            let rejected = found.entries[0].outcome.as_ref().unwrap_err();
            assert_eq!(rejected.reasons, [Reason::Payload], "{data}");
        }
    }
}
