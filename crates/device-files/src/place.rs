//! Places in a file.

use std::fmt;

/// A place in a file, for a person to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file, from 1.
    Line(u64),
    /// A row of a sheet of a workbook, from 1.
    Row {
        /// The name of the sheet.
        sheet: String,
        /// The number of the row, from 1.
        row: u32,
    },
    /// A cell of a sheet of a workbook.
    Cell {
        /// The name of the sheet.
        sheet: String,
        /// The name of the cell, such as `B3`.
        cell: String,
    },
    /// An entry of a file without useful lines, from 1.
    Entry(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, "line {line}"),
            Self::Row { sheet, row } => write!(formatter, "sheet {sheet}, row {row}"),
            Self::Cell { sheet, cell } => write!(formatter, "sheet {sheet}, cell {cell}"),
            Self::Entry(entry) => write!(formatter, "entry {entry}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_a_person_looks_up() {
        let sheet = || "Tokens".to_owned();
        for (place, text) in [
            (Place::Line(3), "line 3"),
            (Place::Row { sheet: sheet(), row: 2 }, "sheet Tokens, row 2"),
            (Place::Cell { sheet: sheet(), cell: "B3".to_owned() }, "sheet Tokens, cell B3"),
            (Place::Entry(2), "entry 2"),
        ] {
            assert_eq!(place.to_string(), text);
        }
    }
}
