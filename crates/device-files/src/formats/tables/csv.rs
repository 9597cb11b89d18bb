//! The project's own CSV, and tables whose columns the options name.

use zeroize::Zeroizing;

use crate::draft::{Collector, Draft, Key};
use crate::key_text::{KeyRule, read_key};
use crate::table::{Row, column, column_name};
use crate::token::{Digits, Hash, Kind, Number, Token};
use crate::{Columns, Fields, FileError, Options, Reason, WarningKind};

const ID: usize = 0;
const DESCRIPTION: usize = 1;
const KEY: usize = 2;

/// Columns of a file of rejected rows, which are ignored.
const IGNORED: [&str; 2] = ["reason", "place"];

/// Whether the project's own CSV has a column of this normalised name.
pub(crate) fn is_column(name: &str) -> bool {
    Fields::NAMES.iter().any(|known| column_name(known) == name)
}

/// The positions of the columns in a row.
struct Layout {
    /// By the index in [`Fields::NAMES`].
    columns: [Option<usize>; Fields::NAMES.len()],
    /// The number of fields that a row needs.
    needed: usize,
    /// The number of fields that a row may have a value in.
    allowed: usize,
    /// Whether the first row names the columns.
    has_header: bool,
}

pub(super) fn read(
    rows: &[Row],
    options: &Options,
    collector: &mut Collector<'_>,
) -> Result<(), FileError> {
    let first = rows.first().ok_or(FileError::Empty)?;
    let layout = match &options.columns {
        None => Layout::of_header(first)?,
        Some(columns) => Layout::of_options(columns, first, collector)?,
    };
    for row in rows.iter().skip(usize::from(layout.has_header)) {
        match layout.mismatch(row) {
            // The values may be those of other columns, so they are not checked.
            Some(reason) => collector.reject(row.place.clone(), reason, layout.fields(row))?,
            None => collector.add(layout.draft(row, KeyRule::Guess.or(options.key_format)))?,
        }
    }
    Ok(())
}

impl Layout {
    fn of_header(header: &Row) -> Result<Self, FileError> {
        let mut columns = [None; Fields::NAMES.len()];
        let mut needed = 0;
        for (position, cell) in header.cells.iter().enumerate() {
            let name = column_name(&cell.text);
            if name.is_empty() {
                continue;
            }
            needed = position + 1;
            if IGNORED.contains(&name.as_str()) {
                continue;
            }
            let mut known = columns.iter_mut().zip(Fields::NAMES);
            let (column, known) = known
                .find(|(_, known)| column_name(known) == name)
                .ok_or(FileError::UnknownColumn(needed))?;
            if column.replace(position).is_some() {
                return Err(FileError::DuplicateColumn(known));
            }
        }
        let mut found = columns.iter().zip(Fields::NAMES).take(KEY + 1);
        if columns.iter().all(Option::is_none) {
            return Err(FileError::NoHeader);
        }
        if let Some((_, missing)) = found.find(|(column, _)| column.is_none()) {
            return Err(FileError::MissingColumn(missing));
        }
        Ok(Self { columns, needed, allowed: header.cells.len(), has_header: true })
    }

    fn of_options(
        options: &Columns,
        first: &Row,
        collector: &mut Collector<'_>,
    ) -> Result<Self, FileError> {
        let mut columns = [None; Fields::NAMES.len()];
        let mut has_header = false;
        let named = [
            (ID, "ID", Some(&options.id)),
            (KEY, "KEY", Some(&options.key)),
            (DESCRIPTION, "DESCRIPTION", options.description.as_ref()),
        ];
        for (index, option, name) in named {
            let Some(name) = name else { continue };
            let is_name = |cell: &crate::table::Cell| column_name(&cell.text) == column_name(name);
            let by_name = first.cells.iter().position(is_name);
            has_header |= by_name.is_some();
            let position = by_name.or_else(|| column(name));
            let position = position.ok_or(FileError::NoSuchColumn(option))?;
            if let Some(found) = columns.get_mut(index) {
                *found = Some(position);
            }
        }
        // A first row without a key has the names of the columns.
        let key = columns.get(KEY).copied().flatten().map_or("", |key| first.text(key));
        let is_key = match read_key(key, KeyRule::Guess) {
            // Shorter texts, such as "Seed", may be Base32 by chance.
            Ok((key, _)) => key.expose_bytes().len() >= 10,
            Err(reason) => reason == Reason::LooksLikeHex,
        };
        if !has_header && !is_key {
            has_header = true;
            collector.warn(first.place.clone(), WarningKind::Header);
        }
        let needed = columns.iter().flatten().max().map_or(0, |last| last + 1);
        Ok(Self { columns, needed, allowed: usize::MAX, has_header })
    }

    /// The reason why the fields of a row cannot be matched to the columns.
    fn mismatch(&self, row: &Row) -> Option<Reason> {
        if row.is_malformed {
            return Some(Reason::UnclosedQuote);
        }
        let has_extra = row.cells.iter().skip(self.allowed).any(|cell| !cell.text.is_empty());
        let (found, expected) = (row.cells.len(), self.needed);
        (found < expected || has_extra).then_some(Reason::FieldCount { found, expected })
    }

    fn fields(&self, row: &Row) -> Fields {
        let [id, description, key, algorithm, counter, kind, hash, digits, period] =
            self.columns.map(|position| {
                let text = position.map_or("", |position| row.text(position));
                Zeroizing::new(text.to_owned())
            });
        Fields { id, description, key, algorithm, counter, kind, hash, digits, period }
    }

    fn draft(&self, row: &Row, rule: KeyRule) -> Draft {
        let mut reasons = Vec::new();
        let mut key = Key::Text(rule);
        for index in [ID, KEY] {
            let cell = self.columns.get(index).copied().flatten();
            let cell = cell.and_then(|position| row.cells.get(position));
            if let Some(problem) = cell.and_then(|cell| cell.problem.clone()) {
                reasons.push((Some(problem.0), problem.1));
                if index == KEY {
                    key = Key::None;
                }
            }
        }
        let fields = self.fields(row);
        let token = token(&fields);
        let cells = [ID, KEY].map(|index| {
            let position = self.columns.get(index).copied().flatten();
            position.and_then(|position| row.cell_place(position))
        });
        Draft { place: row.place.clone(), fields, key, token, reasons, cells }
    }
}

/// What the optional columns state about the token.
fn token(fields: &Fields) -> Token {
    let Fields { kind, hash, digits, period, .. } = fields;
    let stated = |text: &str| (!text.is_empty()).then(|| Number::parse(text));
    Token {
        kind: if kind.is_empty() { Kind::Totp } else { Kind::parse(kind) },
        hash: if hash.is_empty() { Hash::Sha1 } else { Hash::parse(hash) },
        digits: stated(digits).map_or(Digits::Eight, Digits::Stated),
        period: stated(period),
    }
}

#[cfg(test)]
mod tests {
    use merchant_otp_domain::OtpAlgorithm;

    use super::*;
    use crate::{DeviceFile, Format, KeyFormat, Place, read};

    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn csv(text: &str) -> DeviceFile {
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.format, Format::Csv);
        file
    }

    /// The ids of the devices, and the places and reasons of the rejected rows.
    fn outcomes(file: &DeviceFile) -> Vec<String> {
        let text = |entry: &crate::Entry| match &entry.outcome {
            Ok(device) => device.id().to_string(),
            Err(rejected) => format!("{}: {rejected}", rejected.place),
        };
        file.entries.iter().map(text).collect()
    }

    #[test]
    fn columns_are_in_any_order_and_case_and_empty_ones_are_passed_over() {
        let file = csv(&format!(
            "\u{FEFF} OTP_Key ;; otp_algorithm;OTP_Device_ID;otp_device_description;\r\n\
             {SEED};;2; till ; Kasse S\u{FC}d;\r\n;;;;;\r\n"
        ));
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!((device.id().as_str(), device.description().as_str()), ("till", "Kasse Süd"));
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
        assert_eq!(device.algorithm(), OtpAlgorithm::TotpWithPrice);
        assert_eq!(file.entries.len(), 1);
    }

    #[test]
    fn a_row_is_rejected_with_its_line_and_every_reason() {
        let file = csv(&format!(
            "otp_device_id,otp_device_description,otp_key,otp_algorithm,otp_ctr\n\
             a,Till,{SEED},1,0\n\
             ,Till,BAX1,1,5\n\
             c,\"Till,{SEED},1,\n\
             d,Till\n\
             e,Till,5a6b7c2d3e4f5a6b7c2d,,\n\
             f,Till,otpauth://totp/x?secret={SEED},,\n\
             g,Till,,0,\n"
        ));
        let key = "the key is not Base32 of RFC 3548 (A-Z and 2-7, not Crockford)";
        let counter =
            "no algorithm uses the counter: the codes of a counter-based (HOTP) token never fit";
        assert_eq!(
            outcomes(&file),
            [
                "a",
                &format!("line 3: the id is missing; {counter}; {key}"),
                "line 4: a quote is not closed",
                "line 5: 2 fields, expected 5",
                "line 6: the key looks like hexadecimal; use --key-format hex, or --key-format \
                 base32 if it is Base32",
                "line 7: the key is a whole otpauth:// URI; the key is the text after secret=",
                "line 8: the algorithm NONE computes no codes; register the device with \
                 `device add`; the key is missing",
            ]
        );
    }

    #[test]
    fn the_first_line_is_checked_without_quoting_it() {
        let required = "otp_device_id,otp_device_description";
        for (header, error) in [
            (format!("{required},otp_key,OTP_KEY"), FileError::DuplicateColumn("otp_key")),
            (format!("{required},otp_key,{SEED}"), FileError::UnknownColumn(4)),
            (required.to_owned(), FileError::MissingColumn("otp_key")),
        ] {
            let read = read(header.as_bytes(), &Options::default());
            assert_eq!(read.err(), Some(error), "{header}");
        }
    }

    #[test]
    fn a_rejected_token_stays_rejected_when_its_fields_are_imported_again() {
        let text = format!(
            "otp_device_id,otp_device_description,otp_key,otp_type,otp_hash,otp_digits,otp_period,\
             place,reason\na,,{SEED},totp,sha1,8,30,line 1,\nb,,{SEED},hotp,sha256,6,60,,x\n"
        );
        let file = csv(&text);
        let rejected = file.entries[1].outcome.as_ref().unwrap_err();
        let reasons = [Reason::CounterBased, Reason::Hash, Reason::Digits(6)];
        assert_eq!(rejected.reasons, reasons);
        assert!(file.entries[0].outcome.is_ok());

        let again = [Fields::NAMES.join(","), rejected.fields.values().join(",")].join("\n");
        let again = csv(&again);
        assert_eq!(again.entries[0].outcome.as_ref().unwrap_err().reasons, reasons);
    }

    #[test]
    fn columns_are_named_by_the_options() {
        let columns = |text: &str| Options {
            columns: Some(Columns::parse(text).unwrap()),
            key_format: Some(KeyFormat::Hex),
            id_prefix: "shop-".to_owned(),
            ..Options::default()
        };
        let seed = "3132333435363738393031323334353637383930";
        let rows = format!("1;till-1;{seed}\n2;till-2;{seed}\n");
        for (text, option, ids, warnings) in [
            (rows.clone(), "ID=B,KEY=C", 2, 0),
            (format!("No;Name;Seed\n{rows}"), "ID=name,KEY=SEED,DESCRIPTION=No", 2, 0),
            (format!("No;Name;Seed\n{rows}"), "ID=B,KEY=C", 2, 1),
        ] {
            let file = read(text.as_bytes(), &columns(option)).unwrap();
            assert_eq!(outcomes(&file), ["shop-till-1", "shop-till-2"][..ids], "{option}");
            assert_eq!(file.warnings.len(), warnings, "{option}");
            let device = file.entries[0].outcome.as_ref().unwrap();
            assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
        }
        let error = read(rows.as_bytes(), &columns("ID=Serial number,KEY=C")).unwrap_err();
        assert_eq!(error, FileError::NoSuchColumn("ID"));
    }

    #[test]
    fn a_key_that_may_be_truncated_is_a_warning_with_its_line() {
        let file = csv("otp_device_id,otp_device_description,otp_key\n\
             cut,Token,JBSWY3DPEHPK3PX\ncut17,Token,JBSWY3DPEHPK3PXPA\n");
        assert_eq!(outcomes(&file), ["cut", "cut17"]);
        let warnings: Vec<_> =
            file.warnings.iter().map(|warning| (warning.place.clone(), warning.kind)).collect();
        assert_eq!(
            warnings,
            [(Place::Line(2), WarningKind::KeyBits), (Place::Line(3), WarningKind::KeyLength)]
        );
    }
}
