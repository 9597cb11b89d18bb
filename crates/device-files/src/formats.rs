//! The readers, one module per format.

mod csv;
mod entra;
mod oath_csv;
mod yubico;

pub(crate) use self::csv::is_column as is_csv_column;
pub(crate) use self::yubico::is_type as is_yubico_type;
use crate::draft::Collector;
use crate::table::{Row, lex};
use crate::{DeviceFile, FileError, Format, Options, recognise};

pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<DeviceFile, FileError> {
    if let Some(unsupported) = recognise::binary(bytes) {
        return Err(FileError::Unsupported(unsupported));
    }
    let text = recognise::decoded(bytes)?;
    recognise::text(&text)?;
    let rows = lex(&text)?;
    let format = match options.format {
        Some(format) => format,
        None => table_format(&rows, options)?,
    };
    let mut collector = Collector::new(format, options);
    read_table(format, &rows, options, &mut collector)?;
    Ok(collector.finish())
}

/// The format of a table: with the option `columns`, that of the project.
fn table_format(rows: &[Row], options: &Options) -> Result<Format, FileError> {
    if options.columns.is_some() { Ok(Format::Csv) } else { recognise::table(rows) }
}

fn read_table(
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
    }
}
