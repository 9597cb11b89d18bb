//! CSV of Microsoft Entra: upn, serial number, secret key, time interval, manufacturer, model.

use zeroize::Zeroizing;

use crate::draft::{Collector, Draft, Key};
use crate::key_text::KeyRule;
use crate::table::{Row, column_name};
use crate::token::{Digits, Hash, Number, Token};
use crate::{Fields, FileError, Format, Options, Reason};

pub(super) fn read(
    rows: &[Row],
    options: &Options,
    collector: &mut Collector<'_>,
) -> Result<(), FileError> {
    let (header, rows) = rows.split_first().ok_or(FileError::Empty)?;
    let names: Vec<_> = header.cells.iter().map(|cell| column_name(&cell.text)).collect();
    let position = |wanted: &str| names.iter().position(|name| name == wanted);
    for (name, shown) in [("serialnumber", "serial number"), ("secretkey", "secret key")] {
        if names.iter().filter(|found| *found == name).count() > 1 {
            return Err(FileError::DuplicateColumn(shown));
        }
    }
    let (Some(serial), Some(secret)) = (position("serialnumber"), position("secretkey")) else {
        return Err(FileError::OtherFormat(Format::Entra));
    };
    let optional = ["upn", "timeinterval", "manufacturer", "model", "hashfunction"].map(position);
    for row in rows {
        let [upn, interval, manufacturer, model, hash] =
            optional.map(|column| column.map_or("", |column| row.text(column)));
        let parts = [manufacturer, model, upn].into_iter().filter(|part| !part.is_empty());
        let description = parts.collect::<Vec<_>>().join(" ");
        let text = |column| Zeroizing::new(row.text(column).to_owned());
        let fields = Fields {
            id: text(serial),
            description: Zeroizing::new(description),
            key: text(secret),
            ..Fields::default()
        };
        if row.is_malformed {
            collector.reject(row.place.clone(), Reason::UnclosedQuote, fields)?;
            continue;
        }
        if row.cells.len() <= serial.max(secret) {
            let (found, expected) = (row.cells.len(), names.len());
            let reason = Reason::FieldCount { found, expected };
            collector.reject(row.place.clone(), reason, fields)?;
            continue;
        }
        let token = Token {
            // The format leaves the digits out. Entra accepts tokens with 6.
            digits: Digits::LeftOut,
            hash: if hash.is_empty() { Hash::Sha1 } else { Hash::parse(hash) },
            period: (!interval.is_empty()).then(|| Number::parse(interval)),
            ..Token::default()
        };
        let cell = |column: usize| row.cells.get(column).and_then(|cell| cell.problem.clone());
        let problems = [cell(serial), cell(secret)].into_iter().flatten();
        let reasons = problems.map(|problem| (Some(problem.0), problem.1)).collect();
        let key = if cell(secret).is_some() {
            Key::None
        } else {
            Key::Text(KeyRule::Guess.or(options.key_format))
        };
        collector.add(Draft {
            place: row.place.clone(),
            fields,
            key,
            token,
            reasons,
            cells: [serial, secret].map(|column| row.cell_place(column)),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Format, Options, Reason, read};

    const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model";
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn the_digits_are_left_out_which_means_6_unless_the_options_state_8() {
        let text = format!(
            "{HEADER}\r\ntill1@example.com,60234567,{SEED},30,Token2,c203\r\n\
             till2@example.com,60234568,{SEED},60,Token2,c203\r\n"
        );
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::Entra);
        let rejected = file.entries[0].outcome.as_ref().unwrap_err();
        assert_eq!(rejected.reasons, [Reason::DigitsLeftOut]);
        assert!(rejected.to_string().contains("--digits 8"), "{rejected}");

        let options = Options { digits: Some(8), ..Options::default() };
        let file = read(text.as_bytes(), &options).unwrap();
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(device.id().as_str(), "60234567");
        assert_eq!(device.description().as_str(), "Token2 c203 till1@example.com");
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
        assert_eq!(file.entries[1].outcome.as_ref().unwrap_err().reasons, [Reason::Period(60)]);
    }
}
