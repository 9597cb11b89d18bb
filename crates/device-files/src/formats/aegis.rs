//! Plain exports of Aegis: a vault in JSON.

use serde_json::Value;
use zeroize::Zeroizing;

use super::json::{exported_token, text};
use crate::draft::{Collector, Draft, Key};
use crate::key_text::KeyRule;
use crate::{Fields, FileError, Format, KeyFormat, Place};

pub(super) fn read(document: &Value, collector: &mut Collector<'_>) -> Result<(), FileError> {
    let entries = document.get("db").and_then(|db| db.get("entries")).and_then(Value::as_array);
    let entries = entries.ok_or(FileError::OtherFormat(Format::Aegis))?;
    for (place, entry) in (1..).map(Place::Entry).zip(entries) {
        let info = entry.get("info").unwrap_or(&Value::Null);
        let (name, issuer) = (text(entry, "name"), text(entry, "issuer"));
        let description =
            if issuer.is_empty() { name.to_string() } else { format!("{}: {}", *issuer, *name) };
        let (kind, hash) = (text(entry, "type"), text(info, "algo"));
        let token = exported_token(&kind, &hash, info);
        let fields = Fields {
            id: name,
            description: Zeroizing::new(description),
            key: text(info, "secret"),
            ..Fields::default()
        };
        let key = Key::Text(KeyRule::Known(KeyFormat::Base32));
        collector.add(Draft::new(place, fields, key, token))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Format, Options, Place, Reason, read};

    #[test]
    fn only_what_shows_the_codes_of_the_protocol_is_a_device() {
        let text = r#"{"version":1,"header":{"slots":null,"params":null},"db":{"version":3,
            "entries":[
            {"type":"totp","uuid":"1","name":"till-1","issuer":"Shop","info":{
                "secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","algo":"SHA1","digits":8,"period":30}},
            {"type":"totp","uuid":"2","name":"till-2","issuer":"Shop","info":{
                "secret":"JBSWY3DPEHPK3PXP","algo":"SHA256","digits":7,"period":20}},
            {"type":"steam","uuid":"3","name":"till-3","issuer":"","info":{
                "secret":"JBSWY3DPEHPK3PXP","algo":"SHA1","digits":5,"period":30}},
            {"type":"totp","name":"till-4","info":{"secret":7}},
            17]}}"#;
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::Aegis);
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(
            (device.id().as_str(), device.description().as_str()),
            ("till-1", "Shop: till-1")
        );
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
        let reasons: Vec<_> = file.entries[1..]
            .iter()
            .map(|entry| entry.outcome.as_ref().unwrap_err().reasons.clone())
            .collect();
        assert_eq!(
            reasons,
            [
                vec![Reason::Hash, Reason::Digits(7), Reason::Period(20)],
                vec![Reason::Steam, Reason::Digits(5)],
                vec![Reason::DigitsDefault, Reason::NoKey],
                vec![Reason::NotTotp, Reason::DigitsDefault, Reason::NoId, Reason::NoKey],
            ]
        );
        assert_eq!(file.entries[1].place, Place::Entry(2));
    }
}
