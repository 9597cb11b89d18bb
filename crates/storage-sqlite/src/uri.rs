//! The URI by which SQLite opens a file (<https://sqlite.org/uri.html>).

use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// How a file is opened. No way creates the file: an empty database in place of a lost one would
/// hide the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// To read and write.
    Write,
    /// To read, with its log. Creates the index of the log if there is a log.
    Read,
    /// To read what the file itself holds. Its log is not read, and nothing beside it is created.
    WithoutLog,
}

/// Returns the URI of a file.
pub(crate) fn uri(path: &Path, access: Access) -> String {
    const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), RESERVED);
    let parameters = match access {
        Access::Write => "mode=rw",
        Access::Read => "mode=ro",
        Access::WithoutLog => "mode=ro&immutable=1",
    };
    format!("file:{path}?{parameters}")
}
