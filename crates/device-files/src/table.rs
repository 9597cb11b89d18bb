//! Tables: rows of cells, of a text file or of a sheet of a workbook.

mod lexer;

use zeroize::Zeroizing;

pub(crate) use self::lexer::lex;
use crate::text::trim;
use crate::{Place, Reason};

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
    pub(crate) problem: Option<(Place, Reason)>,
}

impl Row {
    /// The text of a cell without blanks at its ends; empty if the row has no such cell.
    pub(crate) fn text(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |cell| trim(&cell.text))
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.problem.is_none() && trim(&cell.text).is_empty())
    }
}
