//! Tables: rows of cells, of a text file or of a sheet of a workbook.

mod lexer;

use zeroize::Zeroizing;

pub(crate) use self::lexer::lex;
use crate::text::{is_blank, trim};
use crate::{Place, Reason, limits};

/// A row of a table that has a cell with a value.
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) cells: Vec<Cell>,
    /// A row with a quote that is not closed; its cells are those of its first line.
    pub(crate) is_malformed: bool,
}

/// A cell of a table.
#[derive(Clone, Default)]
pub(crate) struct Cell {
    pub(crate) text: Zeroizing<String>,
    /// The reason why the text is not what a person entered.
    pub(crate) problem: Option<Box<(Place, Reason)>>,
}

/// The name of a cell as in a spreadsheet: column 0 of row 3 is `A3`.
pub(crate) fn cell_name(column: usize, row: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or(0);
        letters.push(char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{row}")
}

/// The position of a column that is named as in a spreadsheet: `A`, `B`, …, up to the limit.
pub(crate) fn column(name: &str) -> Option<usize> {
    let mut position = 0_usize;
    for letter in name.bytes() {
        let digit = usize::from(letter.to_ascii_uppercase().checked_sub(b'A')?);
        if digit >= 26 || position > limits::MAX_COLUMNS {
            return None;
        }
        position = position * 26 + digit + 1;
    }
    position.checked_sub(1).filter(|position| *position < limits::MAX_COLUMNS)
}

/// The name of a column for comparison: lower case, without blanks and `_`.
pub(crate) fn column_name(text: &str) -> String {
    let is_kept = |character: &char| !is_blank(*character) && *character != '_';
    text.chars().filter(is_kept).flat_map(char::to_lowercase).collect()
}

impl Row {
    /// The place of a cell of a workbook.
    pub(crate) fn cell_place(&self, column: usize) -> Option<Place> {
        let Place::Row { sheet, row } = &self.place else { return None };
        Some(Place::Cell { sheet: sheet.clone(), cell: cell_name(column, *row) })
    }

    /// The text of a cell without blanks at its ends; empty if the row has no such cell.
    pub(crate) fn text(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |cell| trim(&cell.text))
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.problem.is_none() && trim(&cell.text).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_as_in_a_spreadsheet() {
        for (position, name) in
            [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (255, "IV")]
        {
            assert_eq!(cell_name(position, 3), format!("{name}3"));
            assert_eq!(column(&name.to_lowercase()), Some(position));
        }
        for name in ["", "1", "IW", "ZZZZZZZZZZZZZZZZZZZZ", "\u{C4}"] {
            assert_eq!(column(name), None, "{name}");
        }
    }
}
