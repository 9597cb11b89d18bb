//! Tables: the formats whose rows are devices, of text files and of workbooks.

mod csv;
mod entra;
mod oath_csv;
mod yubico;

use crate::draft::Collector;
use crate::table::{Row, column_name};
use crate::{FileError, Format, Options, Unsupported};

/// The format of a table: with the option `columns`, that of the project.
pub(super) fn format(rows: &[Row], options: &Options) -> Result<Format, FileError> {
    if options.columns.is_some() { Ok(Format::Csv) } else { recognise(rows) }
}

/// Reads a table in a known format.
pub(super) fn read(
    format: Format,
    rows: &[Row],
    options: &Options,
    collector: &mut Collector<'_>,
) -> Result<(), FileError> {
    match format {
        Format::Csv => csv::read(rows, options, collector),
        Format::OathCsv => oath_csv::read(rows, options, collector),
        Format::Entra => entra::read(rows, options, collector),
        Format::Yubico => yubico::read(rows, collector),
        Format::Workbook
        | Format::Pskc
        | Format::OtpAuth
        | Format::GoogleMigration
        | Format::Aegis
        | Format::AndOtp => Err(FileError::OtherFormat(format)),
    }
}

/// The format of a table, by its first row.
fn recognise(rows: &[Row]) -> Result<Format, FileError> {
    let first = rows.iter().find(|row| !row.text(0).starts_with('#'));
    let first = first.ok_or(FileError::Empty)?;
    let names: Vec<_> = first.cells.iter().map(|cell| column_name(&cell.text)).collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    if names.iter().any(|name| name.starts_with("otp") && csv::is_column(name)) {
        return Ok(Format::Csv);
    }
    if has("secretkey") && has("serialnumber") {
        return Ok(Format::Entra);
    }
    if yubico::is_type(first.text(0)) {
        return Ok(Format::Yubico);
    }
    if matches!(first.text(2).to_ascii_lowercase().as_str(), "totp" | "hotp" | "ocra") {
        return Ok(Format::OathCsv);
    }
    let mut words = first.text(0).split_whitespace();
    let is_list = first.cells.len() == 1 && words.next_back().is_some_and(is_like_a_key);
    let is_pair = first.cells.len() == 2 && is_like_a_key(first.text(1));
    if is_list || is_pair {
        return Err(FileError::Unsupported(Unsupported::SeedList));
    }
    Err(FileError::NoHeader)
}

/// At least 80 bits in hexadecimal or Base32.
fn is_like_a_key(word: &str) -> bool {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_base32 =
        word.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'2'..=b'7'));
    word.len() >= 16 && (is_hex || is_base32)
}
