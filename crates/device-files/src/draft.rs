//! Entries while they are read, before they become devices.

use merchant_otp_domain::{
    OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey,
};
use zeroize::Zeroizing;

use crate::key_text::{KeyRule, read_key};
use crate::text::trim;
use crate::token::Token;
use crate::{
    DeviceFile, Entry, Fields, FileError, Format, Options, Place, Reason, RejectedRow, Warning,
    WarningKind, limits,
};

/// An entry as its format has it.
pub(crate) struct Draft {
    pub(crate) place: Place,
    /// The id, the description and the key; in the project's own CSV, also the others.
    pub(crate) fields: Fields,
    pub(crate) key: Key,
    pub(crate) token: Token,
    /// Reasons that the format found, with their places if they are more exact.
    pub(crate) reasons: Vec<(Option<Place>, Reason)>,
    /// The cells of the id and the key, in a workbook.
    pub(crate) cells: [Option<Place>; 2],
}

impl Draft {
    /// An entry of which the format found nothing wrong, and which has no cells.
    pub(crate) fn new(place: Place, fields: Fields, key: Key, token: Token) -> Self {
        Self { place, fields, key, token, reasons: Vec::new(), cells: [None, None] }
    }
}

/// The key of an entry.
pub(crate) enum Key {
    /// The field `key`, as text.
    Text(KeyRule),
    /// Bytes, of a binary or encrypted format.
    Bytes(Zeroizing<Vec<u8>>),
    /// No key, because of a reason that the draft has.
    None,
}

/// Collects the entries of a file.
pub(crate) struct Collector<'a> {
    options: &'a Options,
    file: DeviceFile,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(format: Format, options: &'a Options) -> Self {
        let file = DeviceFile { format, entries: Vec::new(), warnings: Vec::new() };
        Self { options, file }
    }

    pub(crate) fn finish(self) -> DeviceFile {
        self.file
    }

    pub(crate) fn warn(&mut self, place: Place, kind: WarningKind) {
        self.file.warnings.push(Warning { place, kind });
    }

    /// Adds an entry whose fields are not checked, because one reason explains it.
    pub(crate) fn reject(
        &mut self,
        place: Place,
        reason: Reason,
        fields: Fields,
    ) -> Result<(), FileError> {
        let rejected = RejectedRow { place: place.clone(), reasons: vec![reason], fields };
        self.push(Entry { place, outcome: Err(Box::new(rejected)) })
    }

    fn push(&mut self, entry: Entry) -> Result<(), FileError> {
        if self.file.entries.len() >= limits::MAX_ENTRIES {
            return Err(FileError::TooManyEntries);
        }
        self.file.entries.push(entry);
        Ok(())
    }

    pub(crate) fn add(&mut self, draft: Draft) -> Result<(), FileError> {
        let place = draft.place.clone();
        let outcome = match self.device(draft) {
            Ok((device, warning)) => {
                if let Some(kind) = warning {
                    self.warn(place.clone(), kind);
                }
                Ok(device)
            }
            Err(rejected) => Err(rejected),
        };
        self.push(Entry { place, outcome })
    }

    fn device(&self, draft: Draft) -> Result<(OtpDevice, Option<WarningKind>), Box<RejectedRow>> {
        let Draft { place, mut fields, key, token, mut reasons, cells } = draft;
        let [id_cell, key_cell] = cells;
        let digits = self.options.digits;
        reasons.extend(token.reasons(digits).into_iter().map(|reason| (None, reason)));
        // A cell with a reason of its own, such as its number format, needs no other.
        let is_known =
            |cell: &Option<Place>| cell.is_some() && reasons.iter().any(|(place, _)| place == cell);
        let is_id_known = is_known(&id_cell);
        let mut or_reason = |place, reason: Reason| reasons.push((place, reason));

        let id = id(&fields.id, &self.options.id_prefix);
        let id = id.map_err(|reason| {
            if !is_id_known {
                or_reason(id_cell, reason);
            }
        });
        let id = id.ok();
        let description = OtpDeviceDescription::parse(trim(&fields.description));
        let description =
            description.map_err(|error| or_reason(None, Reason::Description(error))).ok();
        let algorithm = algorithm(&fields.algorithm);
        let algorithm = algorithm.map_err(|reason| or_reason(None, reason)).ok();
        if let Some(reason) = counter(&fields.counter) {
            or_reason(None, reason);
        }
        let key = match key {
            Key::Text(_) if trim(&fields.key).is_empty() => Err(Reason::NoKey),
            Key::Text(rule) => read_key(&fields.key, rule),
            Key::Bytes(bytes) => {
                OtpKey::from_bytes(bytes.to_vec()).map(|key| (key, None)).map_err(Reason::Key)
            }
            Key::None => Ok((OtpKey::default(), None)),
        };
        let key = key.map_err(|reason| or_reason(key_cell, reason)).ok();
        if let Some((key, _)) = &key
            && fields.key.is_empty()
        {
            fields.key = key.to_base32();
        }

        if let (true, Some(id), Some(description), Some(algorithm), Some((key, warning))) =
            (reasons.is_empty(), id, description, algorithm, key)
        {
            match OtpDevice::new(id, description, key, algorithm, OtpCounter::default()) {
                Ok(device) => return Ok((device, warning)),
                Err(error) => reasons.push((None, Reason::Device(error))),
            }
        }
        token.describe(&mut fields, digits);
        let exact = reasons.iter().find_map(|(place, _)| place.clone());
        let mut unique: Vec<Reason> = Vec::new();
        for (_, reason) in reasons {
            if !unique.contains(&reason) {
                unique.push(reason);
            }
        }
        let place = exact.unwrap_or(place);
        Err(Box::new(RejectedRow { place, reasons: unique, fields }))
    }
}

fn id(text: &str, prefix: &str) -> Result<OtpDeviceId, Reason> {
    let text = trim(text);
    if text.is_empty() {
        return Err(Reason::NoId);
    }
    if is_shortened(text) {
        return Err(Reason::ShortenedId);
    }
    OtpDeviceId::parse(format!("{prefix}{text}")).map_err(Reason::Id)
}

/// Whether the text is a number in scientific notation, such as `2.60012E+12` or `2,60012E+12`.
fn is_shortened(text: &str) -> bool {
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let Some(exponent) = exponent.strip_prefix(['+', '-']) else { return false };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    is_number(whole) && is_number(fraction) && is_number(exponent)
}

fn algorithm(text: &str) -> Result<OtpAlgorithm, Reason> {
    let text = trim(text);
    let is_decimal = |text: &str| {
        text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let algorithm = match text.parse() {
        _ if text.is_empty() => Ok(OtpAlgorithm::TotpWithoutPrice),
        _ if is_decimal(text) => return Err(Reason::NotWhole("the algorithm")),
        Ok(number) => OtpAlgorithm::from_number(number),
        Err(_) => OtpAlgorithm::from_name(text),
    };
    match algorithm.map_err(Reason::Algorithm)? {
        OtpAlgorithm::None => Err(Reason::NoCodes),
        algorithm @ (OtpAlgorithm::TotpWithoutPrice | OtpAlgorithm::TotpWithPrice) => Ok(algorithm),
    }
}

fn counter(text: &str) -> Option<Reason> {
    let text = trim(text);
    if text.is_empty() {
        return None;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Reason::NotWhole("the counter"));
    }
    text.bytes().any(|byte| byte != b'0').then_some(Reason::Counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_spreadsheet_are_no_ids() {
        for text in ["2,60012E+12", "2.60012E+12", "3E+15", "1.5e-7"] {
            assert_eq!(id(text, ""), Err(Reason::ShortenedId), "{text}");
        }
        for text in ["E+12", "2E12", "12E+", "2.6.1E+12", "till-1E+1", "2600120000000"] {
            assert_eq!(id(text, "").unwrap().as_str(), text);
        }
        assert_eq!(id(" ws-1\u{A0}", "shop-").unwrap().as_str(), "shop-ws-1");
        assert_eq!(id(" ", "shop-"), Err(Reason::NoId));
    }

    #[test]
    fn a_counter_is_0() {
        for text in ["", " ", "0", " 00"] {
            assert_eq!(counter(text), None, "{text:?}");
        }
        assert_eq!(counter(" 7"), Some(Reason::Counter));
        assert_eq!(counter(&"9".repeat(100)), Some(Reason::Counter));
        for text in ["1.0", "-1", "x"] {
            assert_eq!(counter(text), Some(Reason::NotWhole("the counter")), "{text}");
        }
    }

    #[test]
    fn an_algorithm_computes_codes() {
        for text in ["", " 1", "TOTP_WITHOUT_PRICE"] {
            assert_eq!(algorithm(text), Ok(OtpAlgorithm::TotpWithoutPrice), "{text}");
        }
        assert_eq!(algorithm("2"), Ok(OtpAlgorithm::TotpWithPrice));
        assert_eq!(algorithm("0"), Err(Reason::NoCodes));
        assert_eq!(algorithm("1.0"), Err(Reason::NotWhole("the algorithm")));
        assert!(matches!(algorithm("3"), Err(Reason::Algorithm(_))));
        assert!(matches!(algorithm("totp"), Err(Reason::Algorithm(_))));
    }
}
