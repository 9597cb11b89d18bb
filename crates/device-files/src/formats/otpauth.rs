//! Lists of `otpauth://` URIs (Key URI Format), a URI on each line.

use url::Url;
use zeroize::Zeroizing;

use super::migration;
use super::uri::{id_and_description, starts_with};
use crate::draft::{Collector, Draft, Key};
use crate::key_text::KeyRule;
use crate::text::trim;
use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::{Fields, FileError, KeyFormat, Place, Reason, limits};

/// Reads the lines of a file; a line may also be an export of Google Authenticator.
pub(super) fn read(text: &str, collector: &mut Collector<'_>) -> Result<(), FileError> {
    for (line, text) in (1_u64..).zip(text.lines()) {
        let text = trim(text);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let place = Place::Line(line);
        if migration::is_uri(text) {
            migration::read_uri(text, &place, collector)?;
            continue;
        }
        match draft(text, place.clone()) {
            Some(draft) => collector.add(draft)?,
            None => collector.reject(place, Reason::Uri, Fields::default())?,
        }
    }
    Ok(())
}

pub(crate) fn is_uri(text: &str) -> bool {
    starts_with(text, "otpauth://")
}

fn draft(text: &str, place: Place) -> Option<Draft> {
    if !is_uri(text) || text.len() > limits::MAX_FIELD_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let label = percent_decoded(url.path().trim_start_matches('/'))?;
    let mut parameters = Parameters::default();
    for (name, value) in url.query_pairs() {
        parameters.set(&name, &value)?;
    }
    let Parameters { secret, issuer, algorithm, digits, period } = parameters;
    let (id, description) = id_and_description(&label, issuer.as_deref().map_or("", |i| i));
    let token = Token {
        kind: Kind::parse(url.host_str().unwrap_or_default()),
        hash: algorithm.map_or(Hash::Sha1, |name| Hash::parse(&name)),
        digits: digits.map_or(Digits::AppDefault, |text| Digits::Stated(Number::parse(&text))),
        period: period.map(|text| Number::parse(&text)),
    };
    let fields = Fields { id, description, key: secret.unwrap_or_default(), ..Fields::default() };
    let key = Key::Text(KeyRule::Known(KeyFormat::Base32));
    Some(Draft::new(place, fields, key, token))
}

/// The parameters that decide the codes. A parameter that is there twice is ambiguous.
#[derive(Default)]
struct Parameters {
    secret: Option<Zeroizing<String>>,
    issuer: Option<Zeroizing<String>>,
    algorithm: Option<Zeroizing<String>>,
    digits: Option<Zeroizing<String>>,
    period: Option<Zeroizing<String>>,
}

impl Parameters {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let parameter = match name.to_ascii_lowercase().as_str() {
            "secret" => &mut self.secret,
            "issuer" => &mut self.issuer,
            "algorithm" => &mut self.algorithm,
            "digits" => &mut self.digits,
            "period" => &mut self.period,
            _ => return Some(()),
        };
        let value = Zeroizing::new(trim(value).to_owned());
        parameter.replace(value).is_none().then_some(())
    }
}

fn percent_decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes.to_vec()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use crate::{Format, Options, Place, Reason, read};

    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn each_line_is_a_device_or_has_its_reasons() {
        let text = format!(
            "otpauth://totp/Shop%3Atill-1?secret=JBSWY3DPEHPK3PXP&issuer=Shop&algorithm=SHA1\
             &digits=8&period=30\r\n\
             \n\
             otpauth://totp/Shop:till-2?secret={SEED}&issuer=Shop&digits=6\n\
             OTPAUTH://TOTP/B%C3%BCro?SECRET={SEED}&DIGITS=8\n\
             otpauth://hotp/h?secret={SEED}&digits=8&counter=0\n\
             otpauth://totp/s?secret={SEED}&digits=8&algorithm=SHA256&period=60\n\
             otpauth://steam/st?secret={SEED}&digits=8\n\
             otpauth://totp/n?secret={SEED}\n\
             otpauth://totp/k?digits=8\n\
             otpauth://totp/t?secret={SEED}&secret=JBSWY3DPEHPK3PXP&digits=8\n\
             https://example.com/{SEED}\n"
        );
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::OtpAuth);
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(device.id().as_str(), "till-1");
        assert_eq!(device.description().as_str(), "Shop: till-1");
        assert_eq!(device.key().expose_bytes(), b"Hello!\xDE\xAD\xBE\xEF");
        assert_eq!(file.entries[2].outcome.as_ref().unwrap().id().as_str(), "Büro");
        assert_eq!(file.entries[1].place, Place::Line(3));
        let reasons: Vec<_> = file
            .entries
            .iter()
            .filter_map(|entry| entry.outcome.as_ref().err())
            .map(|rejected| rejected.reasons.clone())
            .collect();
        assert_eq!(
            reasons,
            [
                vec![Reason::Digits(6)],
                vec![Reason::CounterBased],
                vec![Reason::Hash, Reason::Period(60)],
                vec![Reason::Steam],
                vec![Reason::DigitsDefault],
                vec![Reason::NoKey],
                vec![Reason::Uri],
                vec![Reason::Uri],
            ]
        );
    }

    #[test]
    fn the_option_for_digits_does_not_change_what_an_app_shows() {
        let text = format!("otpauth://totp/n?secret={SEED}");
        let options = Options { digits: Some(8), ..Options::default() };
        let file = read(text.as_bytes(), &options).unwrap();
        let rejected = file.entries[0].outcome.as_ref().unwrap_err();
        assert_eq!(rejected.reasons, [Reason::DigitsDefault]);
    }
}
