//! The cells of a sheet.

use quick_xml::events::{BytesRef, BytesStart, Event};
use zeroize::Zeroizing;

use super::package::{Package, attribute};
use super::styles::{NumberFormat, show};
use crate::table::{Cell, Row, cell_name};
use crate::{FileError, Place, Reason, limits};

/// The strings that cells share.
pub(super) fn shared_strings(
    package: &mut Package<'_>,
) -> Result<Vec<Zeroizing<String>>, FileError> {
    const PATH: &str = "xl/sharedStrings.xml";
    let mut strings = Vec::new();
    if !package.has(PATH) {
        return Ok(strings);
    }
    let mut text = Text::default();
    package.read(PATH, |event| {
        text.take(event)?;
        let is_end = match event {
            Event::End(end) => end.local_name().as_ref() == "si",
            Event::Empty(start) => start.local_name().as_ref() == "si",
            _ => false,
        };
        if is_end {
            if strings.len() >= limits::MAX_SHARED_STRINGS {
                return Err(FileError::WorkbookLimits);
            }
            strings.push(std::mem::take(&mut text.value));
        }
        Ok(())
    })?;
    Ok(strings)
}

/// Collects the text of the elements `t` and `v`, without phonetic text.
#[derive(Default)]
struct Text {
    value: Zeroizing<String>,
    is_open: bool,
    is_phonetic: bool,
}

impl Text {
    fn take(&mut self, event: &Event<'_>) -> Result<(), FileError> {
        match event {
            Event::Start(start) => match start.local_name().as_ref() {
                "t" | "v" => self.is_open = !self.is_phonetic,
                "rPh" => self.is_phonetic = true,
                _ => {}
            },
            Event::End(end) => match end.local_name().as_ref() {
                "t" | "v" => self.is_open = false,
                "rPh" => self.is_phonetic = false,
                _ => {}
            },
            Event::Text(text) if self.is_open => self.value.push_str(&text.xml10_content()),
            Event::CData(text) if self.is_open => self.value.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) if self.is_open => {
                self.value.push(character(reference).ok_or(FileError::Workbook)?);
            }
            _ => {}
        }
        if self.value.len() > limits::MAX_FIELD_BYTES {
            return Err(FileError::WorkbookLimits);
        }
        Ok(())
    }
}

fn character(reference: &BytesRef<'_>) -> Option<char> {
    match reference.as_ref() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten(),
    }
}

pub(super) fn read(
    package: &mut Package<'_>,
    path: &str,
    sheet: &str,
    styles: &[NumberFormat],
    strings: &[Zeroizing<String>],
) -> Result<Vec<Row>, FileError> {
    let mut reader = SheetReader {
        sheet,
        styles,
        strings,
        rows: Vec::new(),
        row: 0,
        cells: Vec::new(),
        cell: None,
        text: Text::default(),
        shown_bytes: 0,
        cell_count: 0,
    };
    package.read(path, |event| reader.take(event))?;
    let mut rows = reader.rows;
    // Excel leaves out empty cells, so every row has the width of the first.
    let width = rows.first().map_or(0, |row| row.cells.len());
    for row in &mut rows {
        if row.cells.len() < width {
            row.cells.resize_with(width, Cell::default);
        }
    }
    Ok(rows)
}

struct SheetReader<'a> {
    sheet: &'a str,
    styles: &'a [NumberFormat],
    strings: &'a [Zeroizing<String>],
    rows: Vec<Row>,
    /// The number of the current row, from 1.
    row: u32,
    cells: Vec<Cell>,
    cell: Option<OpenCell>,
    text: Text,
    /// The size of all texts, because many cells can share a long one.
    shown_bytes: u64,
    /// The number of cells of all rows.
    cell_count: usize,
}

struct OpenCell {
    column: usize,
    kind: String,
    format: NumberFormat,
}

impl SheetReader<'_> {
    fn take(&mut self, event: &Event<'_>) -> Result<(), FileError> {
        if self.cell.is_some() {
            self.text.take(event)?;
        }
        match event {
            Event::Start(start) => match start.local_name().as_ref() {
                "row" => self.start_row(start)?,
                "c" => self.cell = Some(self.open_cell(start)?),
                _ => {}
            },
            Event::Empty(start) if start.local_name().as_ref() == "row" => self.start_row(start)?,
            Event::Empty(start) if start.local_name().as_ref() == "c" => {
                let cell = self.open_cell(start)?;
                self.put(cell.column, Cell::default());
            }
            Event::End(end) => match end.local_name().as_ref() {
                "c" => self.end_cell()?,
                "row" => {
                    let place = Place::Row { sheet: self.sheet.to_owned(), row: self.row };
                    let cells = std::mem::take(&mut self.cells);
                    self.cell_count += cells.len();
                    if self.cell_count > limits::MAX_CELLS {
                        return Err(FileError::TooManyEntries);
                    }
                    push(&mut self.rows, Row { place, cells, is_malformed: false })?;
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn start_row(&mut self, start: &BytesStart<'_>) -> Result<(), FileError> {
        self.cells.clear();
        self.row = match attribute(start, "r") {
            Some(number) => number.parse().map_err(|_| FileError::Workbook)?,
            None => self.row.saturating_add(1),
        };
        Ok(())
    }

    fn open_cell(&self, start: &BytesStart<'_>) -> Result<OpenCell, FileError> {
        let column = match attribute(start, "r") {
            Some(name) => crate::table::column(name.trim_end_matches(|c: char| c.is_ascii_digit())),
            None => Some(self.cells.len()),
        };
        let column = column.filter(|column| *column < limits::MAX_COLUMNS);
        let column = column.ok_or(FileError::WorkbookLimits)?;
        let style = attribute(start, "s").and_then(|style| style.parse::<usize>().ok());
        let format = self.styles.get(style.unwrap_or(0)).copied();
        Ok(OpenCell {
            column,
            kind: attribute(start, "t").unwrap_or_default(),
            format: format.unwrap_or(if style.is_some() && !self.styles.is_empty() {
                NumberFormat::Other
            } else {
                NumberFormat::Plain
            }),
        })
    }

    fn end_cell(&mut self) -> Result<(), FileError> {
        let Some(open) = self.cell.take() else { return Ok(()) };
        let value = std::mem::take(&mut self.text.value);
        let mut problem = None;
        let text = match open.kind.as_str() {
            "" | "n" | "s" if value.trim().is_empty() => Zeroizing::default(),
            "s" => {
                let index: usize = value.trim().parse().map_err(|_| FileError::Workbook)?;
                self.strings.get(index).cloned().ok_or(FileError::Workbook)?
            }
            "inlineStr" | "str" => value,

            "" | "n" => match show(value.trim(), open.format) {
                Ok(text) => Zeroizing::new(text),
                Err(reason) => {
                    problem = Some(reason);
                    value
                }
            },
            _ => {
                problem = Some(Reason::CellKind);
                value
            }
        };
        self.shown_bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.shown_bytes > limits::MAX_EXPANDED_BYTES {
            return Err(FileError::WorkbookLimits);
        }
        let place =
            || Place::Cell { sheet: self.sheet.to_owned(), cell: cell_name(open.column, self.row) };
        let problem = problem.map(|reason| Box::new((place(), reason)));
        self.put(open.column, Cell { text, problem });
        Ok(())
    }

    fn put(&mut self, column: usize, cell: Cell) {
        if self.cells.len() <= column {
            self.cells.resize_with(column + 1, Cell::default);
        }
        if let Some(found) = self.cells.get_mut(column) {
            *found = cell;
        }
    }
}

/// A row of a table whose cells are all blank is left out.
fn push(rows: &mut Vec<Row>, row: Row) -> Result<(), FileError> {
    if rows.len() >= limits::MAX_ENTRIES {
        return Err(FileError::TooManyEntries);
    }
    if !row.is_blank() {
        rows.push(row);
    }
    Ok(())
}
