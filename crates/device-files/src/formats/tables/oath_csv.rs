//! OATH CSV, as privacyIDEA, `LinOTP` and `NetIQ` document it: serial, seed in hexadecimal, type,
//! digits, and the step in seconds or the counter.

use zeroize::Zeroizing;

use crate::draft::{Collector, Draft, Key};
use crate::key_text::KeyRule;
use crate::table::Row;
use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::{Fields, FileError, KeyFormat, Options, Reason};

pub(super) fn read(
    rows: &[Row],
    options: &Options,
    collector: &mut Collector<'_>,
) -> Result<(), FileError> {
    for row in rows.iter().filter(|row| !row.text(0).starts_with('#')) {
        let text = |column| Zeroizing::new(row.text(column).to_owned());
        let (id, key) = (text(0), text(1));
        let fields = Fields { description: id.clone(), id, key, ..Fields::default() };
        if row.is_malformed {
            collector.reject(row.place.clone(), Reason::UnclosedQuote, fields)?;
            continue;
        }
        let stated = |column| Some(row.text(column)).filter(|text| !text.is_empty());
        let token = Token {
            kind: Kind::parse(row.text(2)),
            hash: Hash::Sha1,
            digits: stated(3).map_or(Digits::LeftOut, |text| Digits::Stated(Number::parse(text))),
            period: stated(4).map(Number::parse),
        };
        let cell = |column: usize| row.cells.get(column).and_then(|cell| cell.problem.clone());
        let problems = [cell(0), cell(1)].into_iter().flatten();
        let reasons = problems.map(|problem| (Some(problem.0), problem.1)).collect();
        let key = if cell(1).is_some() {
            Key::None
        } else {
            Key::Text(KeyRule::Known(KeyFormat::Hex).or(options.key_format))
        };
        collector.add(Draft {
            place: row.place.clone(),
            fields,
            key,
            token,
            reasons,
            cells: [0, 1].map(|column| row.cell_place(column)),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Format, KeyFormat, Options, Place, Reason, read};

    const SEED: &str = "3132333435363738393031323334353637383930";

    #[test]
    fn only_tokens_with_8_digits_and_30_s_are_devices() {
        let text = format!(
            "# serial, seed, type, digits, step\n\
             TS000001, {SEED}, totp, 8, 30\n\
             TS000002, {SEED}, TOTP, 6, 30\n\
             TS000003, {SEED}, totp, 8, 60\n\
             TS000004, {SEED}, hotp, 8\n\
             TS000005, {SEED}, totp\n\
             TS000006, XYZ, totp, 8\n\
             TS000007, {SEED}, ocra, 8\n"
        );
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::OathCsv);
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(device.id().as_str(), "TS000001");
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
        let reasons: Vec<_> = file.entries[1..]
            .iter()
            .map(|entry| entry.outcome.as_ref().unwrap_err().reasons.clone())
            .collect();
        assert_eq!(
            reasons,
            [
                vec![Reason::Digits(6)],
                vec![Reason::Period(60)],
                vec![Reason::CounterBased],
                vec![Reason::DigitsLeftOut],
                vec![Reason::NotHex],
                vec![Reason::NotTotp],
            ]
        );
        assert_eq!(file.entries[1].place, Place::Line(3));

        let options = Options { digits: Some(8), ..Options::default() };
        let file = read(text.as_bytes(), &options).unwrap();
        assert!(file.entries[4].outcome.is_ok() && file.entries[1].outcome.is_err());
    }

    #[test]
    fn keys_may_be_base32_if_the_options_state_it() {
        let text = "1;GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ;totp;8;30";
        let options = Options { key_format: Some(KeyFormat::Base32), ..Options::default() };
        let file = read(text.as_bytes(), &options).unwrap();
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
    }
}
