//! Rows of CSV text.
//!
//! The rules are stricter than those of the crate `csv`, which ends an unclosed quote at the end
//! of the file, so that all later rows are lost: here, a row with an unclosed quote is malformed,
//! and the next row begins at the next line.

use zeroize::Zeroizing;

use super::{Cell, Row};
use crate::text::trim;
use crate::{FileError, Place, limits};

/// The separators, in the order of preference.
const SEPARATORS: [u8; 4] = [b';', b'\t', b',', b'|'];

/// Splits text into rows. Rows without any value are left out.
pub(crate) fn lex(text: &str) -> Result<Vec<Row>, FileError> {
    let mut lexer = Lexer { text: text.as_bytes(), position: 0, line: 1 };
    let separator = match lexer.separator_line()? {
        Some(separator) => separator,
        None => lexer.guess_separator(),
    };
    let (mut rows, mut cells) = (Vec::new(), 0);
    while lexer.position < lexer.text.len() {
        let row = lexer.row(separator);
        if row.cells.len() > limits::MAX_COLUMNS {
            let Place::Line(line) = row.place else { continue };
            return Err(FileError::TooManyColumns(line));
        }
        if !row.is_blank() || row.is_malformed {
            cells += row.cells.len();
            if rows.len() >= limits::MAX_ENTRIES || cells > limits::MAX_CELLS {
                return Err(FileError::TooManyEntries);
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

struct Lexer<'a> {
    text: &'a [u8],
    position: usize,
    line: u64,
}

/// A field, and what ends it.
struct Field {
    text: Zeroizing<String>,
    ends_row: bool,
}

struct Malformed;

impl Lexer<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    /// The rest of the current line.
    fn rest_of_line(&self) -> &[u8] {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let end = rest.iter().position(|byte| is_break(*byte)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Steps over a line break, which is CR, LF or both.
    fn step_over_break(&mut self) {
        match (self.peek(), self.text.get(self.position + 1)) {
            (Some(b'\r'), Some(b'\n')) => self.position += 2,
            (Some(_), _) => self.position += 1,
            (None, _) => return,
        }
        self.line += 1;
    }

    /// The separator of a first line `sep=;`, which Excel writes and obeys.
    fn separator_line(&mut self) -> Result<Option<u8>, FileError> {
        let line = self.rest_of_line();
        let line = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")).unwrap_or(line);
        let separator = match line {
            [name @ .., b'=', separator] if name.eq_ignore_ascii_case(b"sep") => *separator,
            [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', ..] => return Err(FileError::Separator),
            _ => return Ok(None),
        };
        if !SEPARATORS.contains(&separator) {
            return Err(FileError::Separator);
        }
        self.position += self.rest_of_line().len();
        self.step_over_break();
        Ok(Some(separator))
    }

    /// The separator that is most frequent outside quotes in the first line with a value.
    fn guess_separator(&self) -> u8 {
        let text = self.text.get(self.position..).unwrap_or_default();
        let mut lines = text.split(|byte| is_break(*byte));
        let has_value = |line: &&[u8]| {
            !line.starts_with(b"#")
                && line.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
        };
        let line = lines.find(has_value).unwrap_or_default();
        let mut counts = [0_usize; SEPARATORS.len()];
        let mut is_quoted = false;
        for byte in line {
            is_quoted ^= *byte == b'"';
            for (count, separator) in counts.iter_mut().zip(SEPARATORS) {
                *count += usize::from(!is_quoted && *byte == separator);
            }
        }
        let mut best = (0, b',');
        for (count, separator) in counts.into_iter().zip(SEPARATORS) {
            if count > best.0 {
                best = (count, separator);
            }
        }
        best.1
    }

    fn row(&mut self, separator: u8) -> Row {
        let (position, line) = (self.position, self.line);
        let mut cells = Vec::new();
        loop {
            let Ok(Field { text, ends_row }) = self.field(separator) else {
                (self.position, self.line) = (position, line);
                return self.malformed_row(separator);
            };
            cells.push(Cell { text, problem: None });
            if ends_row || cells.len() > limits::MAX_COLUMNS {
                return Row { place: Place::Line(line), cells, is_malformed: false };
            }
        }
    }

    /// The first line of a malformed row, split without regard to quotes.
    fn malformed_row(&mut self, separator: u8) -> Row {
        let line = self.rest_of_line();
        let length = line.len();
        let cells = line.split(|byte| *byte == separator).take(limits::MAX_COLUMNS);
        let cells = cells.map(|text| Cell { text: owned(text), problem: None }).collect();
        let place = Place::Line(self.line);
        self.position += length;
        self.step_over_break();
        Row { place, cells, is_malformed: true }
    }

    fn field(&mut self, separator: u8) -> Result<Field, Malformed> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        if rest.get(blanks) == Some(&b'"') {
            self.position += blanks + 1;
            return self.quoted_field(separator);
        }
        let is_end = |byte: &u8| *byte == separator || is_break(*byte);
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        if length > limits::MAX_FIELD_BYTES {
            return Err(Malformed);
        }
        let text = owned(rest.get(..length).unwrap_or_default());
        self.position += length;
        Ok(Field { text, ends_row: self.end_of_field() })
    }

    fn quoted_field(&mut self, separator: u8) -> Result<Field, Malformed> {
        let mut bytes = Zeroizing::new(Vec::new());
        let first_line = self.line;
        let max_lines = u64::try_from(limits::MAX_FIELD_LINES).unwrap_or(u64::MAX);
        loop {
            match (self.peek().ok_or(Malformed)?, self.text.get(self.position + 1)) {
                (b'"', Some(b'"')) => {
                    bytes.push(b'"');
                    self.position += 2;
                }
                (b'"', _) => break,
                (byte, _) if is_break(byte) => {
                    bytes.push(b'\n');
                    self.step_over_break();
                }
                (byte, _) => {
                    bytes.push(byte);
                    self.position += 1;
                }
            }
            let lines = self.line - first_line;
            if lines >= max_lines || bytes.len() > limits::MAX_FIELD_BYTES {
                return Err(Malformed);
            }
        }
        self.position += 1;
        let rest = self.text.get(self.position..).unwrap_or_default();
        self.position += rest.iter().take_while(|byte| **byte == b' ').count();
        match self.peek() {
            Some(byte) if byte != separator && !is_break(byte) => Err(Malformed),
            _ => Ok(Field { text: owned(&bytes), ends_row: self.end_of_field() }),
        }
    }

    /// Steps over the separator or the line break; returns whether the row has ended.
    fn end_of_field(&mut self) -> bool {
        match self.peek() {
            Some(byte) if is_break(byte) => {
                self.step_over_break();
                true
            }
            Some(_) => {
                self.position += 1;
                false
            }
            None => true,
        }
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A part of valid UTF-8 between two characters of ASCII.
fn owned(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(trim(&String::from_utf8_lossy(bytes)).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(u64, Vec<String>)> {
        let rows = lex(text).unwrap();
        let row = |row: &Row| match row.place {
            Place::Line(line) => {
                (line, row.cells.iter().map(|cell| cell.text.to_string()).collect())
            }
            _ => panic!("a text file has lines"),
        };
        rows.iter().map(row).collect()
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn the_separator_is_that_of_the_first_line() {
        for separator in [",", ";", "\t", "|"] {
            let text = format!("id{separator}key\r\na{separator}\"x{separator}y\"\r\n");
            let expected = [row(1, &["id", "key"]), row(2, &["a", &format!("x{separator}y")])];
            assert_eq!(cells(&text), expected);
        }
        assert_eq!(cells("\"a,b,c\";d\n"), [row(1, &["a,b,c", "d"])]);
        assert_eq!(cells("sep=;\r\na,b;c"), [row(2, &["a,b", "c"])]);
        assert_eq!(cells("\"sep=|\"\na|b"), [row(2, &["a", "b"])]);
        assert_eq!(lex("sep=x\na").err(), Some(FileError::Separator));
        assert_eq!(lex("sep=\na").err(), Some(FileError::Separator));
    }

    #[test]
    fn quotes_enclose_separators_quotes_and_line_breaks() {
        assert_eq!(
            cells("a,\"19\"\" till\r\n2\" , \"b\"\r\nc,19\" till,\n"),
            [row(1, &["a", "19\" till\n2", "b"]), row(3, &["c", "19\" till", ""])]
        );
    }

    #[test]
    fn lines_end_with_any_line_break_and_blank_rows_are_left_out() {
        let expected = [row(1, &["a", "b"]), row(4, &["c", "d"])];
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(cells(&["a,b", "", ",, ", "c,d", ""].join(end)), expected);
        }
        assert_eq!(cells(""), []);
    }

    #[test]
    fn a_row_with_an_unclosed_quote_does_not_contain_later_rows() {
        for text in ["a,b\nc,\"d\ne,f\n", "a,b\nc,\"d\ne,f", "a,b\nc,\"d\"x\ne,f\n"] {
            let rows = lex(text).unwrap();
            let malformed: Vec<_> = rows.iter().map(|row| row.is_malformed).collect();
            assert_eq!(malformed, [false, true, false], "{text}");
            assert_eq!(rows[2].place, Place::Line(3));
            assert_eq!(rows[1].text(0), "c");
        }
        // The quote of a later row does not close it.
        let rows = lex("c,\"d\ne,\"f\"\n").unwrap();
        assert!(rows[0].is_malformed && !rows[1].is_malformed);
        assert_eq!(rows[1].text(1), "f");
    }

    #[test]
    fn fields_and_columns_are_bounded() {
        let long = format!("a,\"{}\"\n", "x".repeat(limits::MAX_FIELD_BYTES + 1));
        assert!(lex(&long).unwrap()[0].is_malformed);
        let lines = format!("a,\"{}\"\nb,c", "\n".repeat(limits::MAX_FIELD_LINES));
        assert!(lex(&lines).unwrap()[0].is_malformed);
        let wide = format!("a{}\n", ",".repeat(250));
        assert_eq!(lex(&wide.repeat(41_000)).err(), Some(FileError::TooManyEntries));
        assert_eq!(lex(&",".repeat(300)).err(), Some(FileError::TooManyColumns(1)));
    }
}
