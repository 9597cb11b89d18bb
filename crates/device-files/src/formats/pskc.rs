//! PSKC (RFC 6030), plain or encrypted.

mod decryption;

use std::collections::HashMap;

use zeroize::Zeroizing;

use self::decryption::Decryption;
use crate::draft::{Collector, Draft, Key};
use crate::text::base64;
use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::xml::{Document, Element};
use crate::{Fields, FileError, Options, Place, Reason, Unsupported, limits};

/// The format of an XML document, by its root.
pub(crate) fn recognise(text: &str) -> Result<(), FileError> {
    let document = Document::open(text)?;
    let start: String = text.chars().take(1024).collect();
    // The documented root is `data`, with a header that names the manufacturer by a code.
    let is_safe_id = start.contains("manufacturerCode") || start.contains("SafeID");
    Err(FileError::Unsupported(match document.root.as_str() {
        "KeyContainer" => return Ok(()),
        _ if is_safe_id => Unsupported::SafeId,
        "Tokens" => Unsupported::SafeNet,
        _ => Unsupported::OtherXml,
    }))
}

pub(super) fn read(
    text: &str,
    options: &Options,
    collector: &mut Collector<'_>,
) -> Result<(), FileError> {
    recognise(text)?;
    let mut document = Document::open(text)?;
    let mut reader = PskcReader::default();
    while let Some(part) = document.next_child()? {
        match part.name.as_str() {
            "EncryptionKey" => reader.encryption_key = Some(part),
            "MACMethod" => reader.mac_method = Some(part),
            "KeyPackage" => {
                for key in part.children("Key") {
                    reader.read_key(&part, key, options)?;
                }
            }
            "Device" => return Err(FileError::Unsupported(Unsupported::OldPskc)),
            _ => {}
        }
    }
    reader.finish(collector)
}

/// A value, or the reason why it cannot be decrypted.
type Decrypted = Result<Zeroizing<Vec<u8>>, Reason>;

#[derive(Default)]
struct PskcReader {
    encryption_key: Option<Element>,
    mac_method: Option<Element>,
    decryption: Option<Decryption>,
    keys: Vec<FoundKey>,
}

struct FoundKey {
    /// The serial number of the device, which several keys may have.
    serial: String,
    key_id: String,
    draft: Draft,
}

impl PskcReader {
    fn read_key(
        &mut self,
        package: &Element,
        key: &Element,
        options: &Options,
    ) -> Result<(), FileError> {
        if self.keys.len() >= limits::MAX_ENTRIES {
            return Err(FileError::TooManyEntries);
        }
        let of_device = |name| package.find(&["DeviceInfo", name]).map_or("", Element::text);
        let serial = of_device("SerialNo");
        let parts = [of_device("Manufacturer"), of_device("Model"), serial];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let description = Zeroizing::new(parts.collect::<Vec<_>>().join(" "));
        let mut reasons = Vec::new();
        let token = self.token(key, options, &mut reasons)?;
        let secret = match self.secret(key, options)? {
            Ok(secret) => Key::Bytes(secret),
            Err(reason) => {
                reasons.push((None, reason));
                Key::None
            }
        };
        let place = Place::Entry(u64::try_from(self.keys.len()).unwrap_or(u64::MAX) + 1);
        let fields = Fields { description, ..Fields::default() };
        self.keys.push(FoundKey {
            serial: serial.to_owned(),
            key_id: key.attribute("Id").unwrap_or_default().to_owned(),
            draft: Draft { place, fields, key: secret, token, reasons, cells: [None, None] },
        });
        Ok(())
    }

    /// The secret of a key, or the reason why it has none.
    fn secret(&mut self, key: &Element, options: &Options) -> Result<Decrypted, FileError> {
        let Some(secret) = key.find(&["Data", "Secret"]) else { return Ok(Err(Reason::NoKey)) };
        if let Some(plain) = secret.find(&["PlainValue"]) {
            return Ok(base64(plain.text()).ok_or(Reason::NotBase64));
        }
        let decrypted = self.decrypted(secret, options)?;
        Ok(decrypted.unwrap_or(Err(Reason::NoKey)))
    }

    /// The decrypted value of an element; `None` if it has no encrypted value.
    fn decrypted(
        &mut self,
        element: &Element,
        options: &Options,
    ) -> Result<Option<Decrypted>, FileError> {
        let Some(encrypted) = element.find(&["EncryptedValue"]) else { return Ok(None) };
        let decryption = match &self.decryption {
            Some(decryption) => decryption,
            None => self.decryption.insert(Decryption::new(
                self.encryption_key.as_ref(),
                self.mac_method.as_ref(),
                options,
            )?),
        };
        Ok(Some(decryption.decrypt(encrypted, element.find(&["ValueMAC"]))))
    }

    /// A number of the data of a key, plain or encrypted; `None` if it is left out.
    fn number(
        &mut self,
        key: &Element,
        name: &str,
        options: &Options,
    ) -> Result<Option<Result<Number, Reason>>, FileError> {
        let Some(element) = key.find(&["Data", name]) else { return Ok(None) };
        if let Some(plain) = element.find(&["PlainValue"]) {
            return Ok(Some(Ok(Number::parse(plain.text()))));
        }
        let decrypted = self.decrypted(element, options)?;
        Ok(Some(match decrypted {
            Some(value) => value.map(|value| number(&value)),
            None => Ok(Number::Unknown),
        }))
    }

    /// What the parameters of a key state about the token.
    fn token(
        &mut self,
        key: &Element,
        options: &Options,
        reasons: &mut Vec<(Option<Place>, Reason)>,
    ) -> Result<Token, FileError> {
        let algorithm = key.attribute("Algorithm").unwrap_or_default();
        let name = algorithm.rsplit([':', '#']).next().unwrap_or_default();
        let format = key.find(&["AlgorithmParameters", "ResponseFormat"]);
        let parameter = |name| format.and_then(|format| format.attribute(name));
        if parameter("Encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("DECIMAL"))
            || parameter("CheckDigits").is_some_and(|check| matches!(check, "true" | "1"))
        {
            reasons.push((None, Reason::Encoding));
        }
        let kind = Kind::parse(name);
        let mut or_reason = |number: Result<Number, Reason>| {
            number.map_err(|reason| reasons.push((None, reason))).ok()
        };
        let start = self.number(key, "Time", options)?.and_then(&mut or_reason);
        let period = self.number(key, "TimeInterval", options)?.and_then(&mut or_reason);
        // Only a time-based key has a start of its steps.
        if kind == Kind::Totp && start.is_some_and(|start| start != Number::Known(0)) {
            reasons.push((None, Reason::StartTime));
        }
        let suite = key.find(&["AlgorithmParameters", "Suite"]).map(Element::text);
        Ok(Token {
            kind,
            hash: suite.filter(|name| !name.is_empty()).map_or(Hash::Sha1, Hash::parse),
            digits: parameter("Length")
                .map_or(Digits::LeftOut, |text| Digits::Stated(Number::parse(text))),
            period,
        })
    }

    fn finish(self, collector: &mut Collector<'_>) -> Result<(), FileError> {
        // If nothing can be decrypted, the secret is wrong, and no row can be corrected.
        let is_refused = |key: &FoundKey| {
            let mut reasons = key.draft.reasons.iter();
            reasons.any(|(_, reason)| matches!(reason, Reason::MacMismatch | Reason::Decryption))
        };
        if !self.keys.is_empty() && self.keys.iter().all(is_refused) {
            return Err(FileError::WrongSecret);
        }
        let mut uses: HashMap<String, usize> = HashMap::new();
        for key in &self.keys {
            *uses.entry(key.serial.clone()).or_default() += 1;
        }
        for FoundKey { serial, key_id, mut draft } in self.keys {
            let is_unique = uses.get(&serial) == Some(&1);
            let id = match (serial.is_empty(), is_unique) {
                (true, _) => key_id,
                (false, true) => serial,
                (false, false) => format!("{serial}-{key_id}"),
            };
            draft.fields.id = Zeroizing::new(id);
            collector.add(draft)?;
        }
        Ok(())
    }
}

/// A decrypted number: decimal digits, or else big-endian bytes, of which vendors write 4 or 8.
fn number(value: &[u8]) -> Number {
    match str::from_utf8(value) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => Number::parse(text),
        _ if value.len() <= 8 => {
            Number::of(value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        _ => Number::Unknown,
    }
}

#[cfg(test)]
mod tests;
