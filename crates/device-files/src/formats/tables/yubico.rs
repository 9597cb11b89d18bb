//! The log of the Yubico personalization tool, whose configurations show no time-based codes.

use zeroize::Zeroizing;

use crate::draft::{Collector, Draft, Key};
use crate::table::Row;
use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::{Fields, FileError, Reason};

const TYPES: [&str; 4] = ["oath-hotp", "yubico otp", "static password", "challenge-response"];

/// Whether the first field of the log has this text: the type of a configuration, or the start.
pub(crate) fn is_type(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "logging start" || TYPES.iter().any(|known| text.starts_with(known))
}

pub(super) fn read(rows: &[Row], collector: &mut Collector<'_>) -> Result<(), FileError> {
    for row in rows.iter().filter(|row| !row.text(0).eq_ignore_ascii_case("logging start")) {
        let text = |column| Zeroizing::new(row.text(column).to_owned());
        let fields = Fields { id: text(3), key: text(5), ..Fields::default() };
        if row.is_malformed {
            collector.reject(row.place.clone(), Reason::UnclosedQuote, fields)?;
            continue;
        }
        let is_hotp = row.text(0).eq_ignore_ascii_case("oath-hotp");
        let token = if is_hotp {
            let digits = Digits::Stated(Number::parse(row.text(11)));
            Token { kind: Kind::Hotp, hash: Hash::Sha1, digits, period: None }
        } else {
            Token { kind: Kind::Other, ..Token::default() }
        };
        let place = row.place.clone();
        if fields.id.is_empty() {
            // Not every configuration has an id, and the missing id is not the reason.
            let reason = if is_hotp { Reason::CounterBased } else { Reason::NotTotp };
            collector.reject(place, reason, fields)?;
            continue;
        }
        collector.add(Draft::new(place, fields, Key::None, token))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Format, Options, Reason, read};

    #[test]
    fn no_configuration_shows_time_based_codes() {
        let seed = "3132333435363738393031323334353637383930";
        let text = format!(
            "LOGGING START,11.12.25 18:50\n\
             OATH-HOTP,11.12.25 18:55,1,cccccccccccc,,{seed},,,0,0,0,6,0,0,0,0,0,0\n\
             Yubico OTP,11.12.25 18:56,1,vvccccdd,aabbccddeeff,{seed},,,0,0,0,0,0,0,0,0,0,0\n\
             Challenge-Response: HMAC-SHA1,11.12.25 18:57,2,,,{seed},,,0,0,0,0,0,0,0,0,0,0\n"
        );
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::Yubico);
        let reasons: Vec<_> = file
            .entries
            .iter()
            .map(|entry| entry.outcome.as_ref().unwrap_err().reasons.clone())
            .collect();
        assert_eq!(
            reasons,
            [
                vec![Reason::CounterBased, Reason::Digits(6)],
                vec![Reason::NotTotp],
                vec![Reason::NotTotp]
            ]
        );
    }
}
