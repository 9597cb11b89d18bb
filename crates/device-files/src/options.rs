//! The options of reading a file.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::Format;

/// What the reader is told in addition to the content of the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The format; by default, it is recognised by the content.
    pub format: Option<Format>,
    /// The columns of a table; by default, its first line names them.
    pub columns: Option<Columns>,
    /// The encoding of the keys of a table; by default, that of the format.
    pub key_format: Option<KeyFormat>,
    /// The name of the sheet of a workbook; by default, its first visible sheet.
    pub sheet: Option<String>,
    /// The digits of the codes, if the format leaves them out; by default 6.
    pub digits: Option<u8>,
    /// A prefix of all ids; by default, none.
    pub id_prefix: String,
    /// The secret that decrypts the file.
    pub secret: Option<Secret>,
    /// Whether to accept encrypted keys without a MAC, which anyone could have changed.
    pub allow_unauthenticated: bool,
}

/// The encoding of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// Base32 of RFC 4648.
    Base32,
    /// Hexadecimal digits.
    Hex,
}

/// The secret that decrypts a file. Redacted in `Debug`, wiped when dropped.
#[derive(Clone)]
pub enum Secret {
    /// A key that the vendor sends separately, as its raw bytes.
    PreSharedKey(Zeroizing<Vec<u8>>),
    /// A passphrase, from which the key is derived.
    Passphrase(Zeroizing<String>),
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PreSharedKey(_) => "PreSharedKey([redacted])",
            Self::Passphrase(_) => "Passphrase([redacted])",
        })
    }
}

/// The columns of a table whose first line does not have the project's names.
///
/// A column is named by its text in the first line, or by a letter as in a spreadsheet.
///
/// ```
/// use merchant_otp_device_files::Columns;
///
/// assert!(Columns::parse("ID=A,KEY=B,DESCRIPTION=Location").is_ok());
/// assert!(Columns::parse("KEY=B").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Columns {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) description: Option<String>,
}

impl Columns {
    /// Parses a list of pairs such as `ID=A,KEY=B,DESCRIPTION=C`; `DESCRIPTION` may be left out.
    ///
    /// # Errors
    ///
    /// If a pair is malformed, twice there, or missing.
    pub fn parse(text: &str) -> Result<Self, ColumnsError> {
        let (mut id, mut key, mut description) = (None, None, None);
        for pair in text.split(',') {
            let (name, column) = pair.split_once('=').ok_or(ColumnsError::Pair)?;
            let column = column.trim();
            let field = match name.trim().to_ascii_uppercase().as_str() {
                "ID" => &mut id,
                "KEY" => &mut key,
                "DESCRIPTION" => &mut description,
                _ => return Err(ColumnsError::Pair),
            };
            if column.is_empty() || field.replace(column.to_owned()).is_some() {
                return Err(ColumnsError::Pair);
            }
        }
        let (Some(id), Some(key)) = (id, key) else { return Err(ColumnsError::Missing) };
        Ok(Self { id, key, description })
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Columns(..)")
    }
}

/// Error returned by [`Columns::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ColumnsError {
    /// A pair that is not `ID=…`, `KEY=…` or `DESCRIPTION=…`, or one that is there twice.
    #[error("columns are given as ID=A,KEY=B,DESCRIPTION=C, each once")]
    Pair,
    /// No `ID` or no `KEY`.
    #[error("the columns need ID and KEY, as in ID=A,KEY=B,DESCRIPTION=C")]
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_pairs() {
        let columns = Columns::parse("key = B, ID=Serial number").unwrap();
        assert_eq!((columns.id.as_str(), columns.key.as_str()), ("Serial number", "B"));
        assert_eq!(columns.description, None);
        for (text, error) in [
            ("", ColumnsError::Pair),
            ("ID", ColumnsError::Pair),
            ("ID=A,ID=B,KEY=C", ColumnsError::Pair),
            ("ID=A,KEY=", ColumnsError::Pair),
            ("ID=A,SEED=B", ColumnsError::Pair),
            ("ID=A", ColumnsError::Missing),
        ] {
            assert_eq!(Columns::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_is_redacted() {
        let secret = Secret::Passphrase(Zeroizing::new("correct horse".to_owned()));
        let options = Options { secret: Some(secret), ..Options::default() };
        let debug = format!("{options:?}");
        assert!(debug.contains("Passphrase([redacted])") && !debug.contains("horse"), "{debug}");
        let secret = Secret::PreSharedKey(Zeroizing::new(vec![200; 16]));
        assert_eq!(format!("{secret:?}"), "PreSharedKey([redacted])");
    }
}
