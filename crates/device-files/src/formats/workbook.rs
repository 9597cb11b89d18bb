//! Excel workbooks (`.xlsx`), read as a stream: the expanded size is bounded.
//!
//! The crate calamine is no alternative: it allocates all cells between the first and the last one,
//! and it does not show the number formats, without which a number is not what a person sees.

mod package;
mod sheet;
mod styles;

use quick_xml::events::Event;

use self::package::{Package, attribute};
use super::tables;
use crate::draft::Collector;
use crate::{DeviceFile, FileError, Format, Options, Unsupported, limits};

/// Whether the bytes are an archive, which a workbook is.
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

pub(super) fn read(bytes: &[u8], options: &Options) -> Result<DeviceFile, FileError> {
    read_within(limits::MAX_EXPANDED_BYTES, bytes, options)
}

/// Reads a workbook whose parts expand to at most `budget` bytes.
fn read_within(budget: u64, bytes: &[u8], options: &Options) -> Result<DeviceFile, FileError> {
    if bytes.len() > limits::MAX_WORKBOOK_BYTES {
        return Err(FileError::WorkbookLimits);
    }
    let mut package =
        Package::open(bytes, budget).ok_or(FileError::Unsupported(Unsupported::Archive))?;
    if !package.has("xl/workbook.xml") {
        let unsupported = if package.has("META-INF/manifest.xml") && package.has("content.xml") {
            Unsupported::OpenDocument
        } else if package.has("xl/workbook.bin") {
            Unsupported::OldOffice
        } else {
            Unsupported::Archive
        };
        return Err(FileError::Unsupported(unsupported));
    }
    let (name, path) = find_sheet(&mut package, options.sheet.as_deref())?;
    let styles = styles::read(&mut package)?;
    let strings = sheet::shared_strings(&mut package)?;
    let rows = sheet::read(&mut package, &path, &name, &styles, &strings)?;
    let mut collector = Collector::new(Format::Workbook, options);
    let format = tables::format(&rows, options)?;
    tables::read(format, &rows, options, &mut collector)?;
    Ok(collector.finish())
}

/// The name and the path of a sheet: the one of the options, or the first visible one.
fn find_sheet(
    package: &mut Package<'_>,
    wanted: Option<&str>,
) -> Result<(String, String), FileError> {
    let mut sheets: Vec<(String, String, bool)> = Vec::new();
    package.read("xl/workbook.xml", |event| {
        if let Event::Start(start) | Event::Empty(start) = event
            && start.local_name().as_ref() == "sheet"
            && sheets.len() < limits::MAX_COLUMNS
        {
            let is_visible = attribute(start, "state").is_none_or(|state| state == "visible");
            let name = attribute(start, "name").unwrap_or_default();
            sheets.push((name, attribute(start, "id").unwrap_or_default(), is_visible));
        }
        Ok(())
    })?;
    if sheets.is_empty() {
        return Err(FileError::NoSheet);
    }
    let found = sheets.into_iter().find(|(name, _, is_visible)| match wanted {
        Some(wanted) => name == wanted,
        None => *is_visible,
    });
    let (name, id, _) = found.ok_or(FileError::NoSuchSheet)?;
    let mut target = None;
    package.read("xl/_rels/workbook.xml.rels", |event| {
        if let Event::Start(start) | Event::Empty(start) = event
            && start.local_name().as_ref() == "Relationship"
            && attribute(start, "Id").as_deref() == Some(&id)
        {
            target = attribute(start, "Target");
        }
        Ok(())
    })?;
    let target = target.ok_or(FileError::Workbook)?;
    let path = match target.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("xl/{target}"),
    };
    // A name of Excel has at most 31 characters; it is shown in places.
    Ok((name.chars().take(31).collect(), path))
}

#[cfg(test)]
mod tests;
