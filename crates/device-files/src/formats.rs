//! The readers, one module per format.

mod aegis;
mod andotp;
mod json;
mod migration;
mod otpauth;
mod pskc;
mod tables;
mod uri;
mod workbook;

use serde_json::Value;

use crate::draft::Collector;
use crate::table::lex;
use crate::text::trim;
use crate::{DeviceFile, FileError, Format, Options, recognise};

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<DeviceFile, FileError> {
    if let Some(unsupported) = recognise::binary(bytes) {
        return Err(FileError::Unsupported(unsupported));
    }
    if workbook::is_archive(bytes) {
        return match options.format {
            None | Some(Format::Workbook) => workbook::read(bytes, options),
            Some(format) => Err(FileError::OtherFormat(format)),
        };
    }
    if options.format == Some(Format::Workbook) {
        return Err(FileError::OtherFormat(Format::Workbook));
    }
    let text = recognise::decoded(bytes)?;
    recognise::text(&text)?;
    let start = trim(&text);
    match options.format {
        Some(format) => read_text(format, &text, options),
        None if migration::is_uri(start) => read_text(Format::GoogleMigration, &text, options),
        None if otpauth::is_uri(start) => read_text(Format::OtpAuth, &text, options),
        None if start.starts_with('<') => read_text(Format::Pskc, &text, options),
        None if start.starts_with(['{', '[']) => {
            let document = json::parse(&text)?;
            let format = json::format(&document)?;
            read_json(format, &document, options)
        }
        None => {
            let rows = lex(&text)?;
            let format = tables::format(&rows, options)?;
            let mut collector = Collector::new(format, options);
            tables::read(format, &rows, options, &mut collector)?;
            Ok(collector.finish())
        }
    }
}

/// Reads text in a known format.
fn read_text(format: Format, text: &str, options: &Options) -> Result<DeviceFile, FileError> {
    let mut collector = Collector::new(format, options);
    match format {
        Format::OtpAuth | Format::GoogleMigration => otpauth::read(text, &mut collector)?,
        Format::Workbook => return Err(FileError::OtherFormat(format)),
        Format::Pskc => pskc::read(text, options, &mut collector)?,
        Format::Aegis | Format::AndOtp => {
            let document = json::parse(text)?;
            // The format is checked, because an encrypted export has its own message.
            let found = json::format(&document)?;
            if found != format {
                return Err(FileError::OtherFormat(format));
            }
            return read_json(format, &document, options);
        }
        Format::Csv | Format::OathCsv | Format::Entra | Format::Yubico => {
            tables::read(format, &lex(text)?, options, &mut collector)?;
        }
    }
    Ok(collector.finish())
}

fn read_json(format: Format, document: &Value, options: &Options) -> Result<DeviceFile, FileError> {
    let mut collector = Collector::new(format, options);
    match format {
        Format::AndOtp => andotp::read(document, &mut collector)?,
        _ => aegis::read(document, &mut collector)?,
    }
    Ok(collector.finish())
}
