//! Plain backups of andOTP: a list in JSON.

use serde_json::Value;

use super::json::{exported_token, text};
use super::uri::id_and_description;
use crate::draft::{Collector, Draft, Key};
use crate::key_text::KeyRule;
use crate::{Fields, FileError, Format, KeyFormat, Place};

pub(super) fn read(document: &Value, collector: &mut Collector<'_>) -> Result<(), FileError> {
    let entries = document.as_array().ok_or(FileError::OtherFormat(Format::AndOtp))?;
    for (place, entry) in (1..).map(Place::Entry).zip(entries) {
        let (id, description) =
            id_and_description(&text(entry, "label"), text(entry, "issuer").trim());
        let (kind, hash) = (text(entry, "type"), text(entry, "algorithm"));
        let token = exported_token(&kind, &hash, entry);
        let fields = Fields { id, description, key: text(entry, "secret"), ..Fields::default() };
        let key = Key::Text(KeyRule::Known(KeyFormat::Base32));
        collector.add(Draft::new(place, fields, key, token))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Format, Options, Reason, read};

    #[test]
    fn only_what_shows_the_codes_of_the_protocol_is_a_device() {
        let text = r#"[{"secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","issuer":"Shop",
            "label":"till-1","digits":8,"type":"TOTP","algorithm":"SHA1","period":30},
            {"secret":"JBSWY3DPEHPK3PXP","issuer":"Shop","label":"till-2","digits":6,
            "type":"TOTP","algorithm":"SHA1","period":30},
            {"secret":"JBSWY3DPEHPK3PXP","label":"Shop:till-3","digits":8,"type":"HOTP",
            "algorithm":"SHA512","counter":4}]"#;
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::AndOtp);
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(
            (device.id().as_str(), device.description().as_str()),
            ("till-1", "Shop: till-1")
        );
        let rejected = file.entries[1].outcome.as_ref().unwrap_err();
        assert_eq!(rejected.reasons, [Reason::Digits(6)]);
        let rejected = file.entries[2].outcome.as_ref().unwrap_err();
        assert_eq!(rejected.reasons, [Reason::CounterBased, Reason::Hash]);
        assert_eq!(*rejected.fields.id, "till-3");
    }
}
