use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind};
use diesel::sqlite::SqliteConnection;
use merchant_otp_ports::Cause;
use merchant_otp_storage_diesel::{Connector, units_of_work};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use thiserror::Error;

/// What is set on each connection.
///
/// `busy_timeout` comes first, so that the others wait for a lock too. It is short: the application
/// tries contended work again.
const PRAGMAS: &str = "
    PRAGMA busy_timeout = 1000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
";

/// Opens connections to the file of a database.
#[derive(Clone, Debug)]
pub(crate) struct SqliteConnector {
    path: PathBuf,
}

/// A connection, and the file that it leads to.
pub(crate) struct SqliteFile {
    pub(crate) connection: SqliteConnection,
    identity: FileIdentity,
}

units_of_work!(SqliteFile, connection);

impl SqliteConnector {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the file and its folder if they are missing, for the owner's eyes only.
    pub(crate) fn create(&self) -> Result<(), Cause> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_error(folder))?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path) {
            // The name of the new file is durable once its folder is.
            Ok(_) => File::open(folder).and_then(|folder| folder.sync_all()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(file_error(&self.path))
    }

    /// Opens the file, which has to be there.
    pub(crate) fn open(&self) -> Result<SqliteFile, Cause> {
        let identity = FileIdentity::of(&self.path).map_err(file_error(&self.path))?;
        let mut connection = SqliteConnection::establish(&self.url())?;
        connection.batch_execute(PRAGMAS)?;
        Ok(SqliteFile { connection, identity })
    }

    /// The URI of the file (<https://sqlite.org/uri.html>) that does not make it when it is missing:
    /// an empty database in the place of a lost one would hide the loss.
    fn url(&self) -> String {
        const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');
        let path = percent_encode(self.path.as_os_str().as_encoded_bytes(), RESERVED);
        format!("file:{path}?mode=rw")
    }
}

impl Connector for SqliteConnector {
    type Connection = SqliteFile;

    fn connect(&self) -> Result<SqliteFile, Cause> {
        self.open()
    }

    /// Whether the file of the connection is still the one at the path.
    ///
    /// Somebody may have moved it away or put a restored backup in its place; what is written to the
    /// old file then would be lost.
    fn is_usable(&self, file: &mut SqliteFile) -> bool {
        FileIdentity::of(&self.path).is_ok_and(|identity| identity == file.identity)
    }

    fn is_contention(_: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> bool {
        // The texts of SQLITE_BUSY and SQLITE_LOCKED: diesel does not tell the codes.
        let message = information.message();
        message.starts_with("database is locked") || message.starts_with("database table is locked")
    }
}

/// Which file a path leads to, by device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity(u64, u64);

impl FileIdentity {
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self(metadata.dev(), metadata.ino()))
    }
}

#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
struct FileError {
    path: PathBuf,
    source: io::Error,
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> Cause {
    move |source| FileError { path: path.to_owned(), source }.into()
}
