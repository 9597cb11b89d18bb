use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind};
use diesel::sqlite::SqliteConnection;
use merchant_otp_ports::Cause;
use merchant_otp_storage_diesel::{Connector, Interrupter, units_of_work};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use thiserror::Error;

use crate::file::FileIdentity;

/// What is set on each connection.
///
/// `busy_timeout` comes first, so that the others wait for a lock too. It is short: the application
/// tries contended work again. The cache is of so many KiB; with 2000, as by default, lookups among a million
/// devices were slower than among a thousand (`docs/performance.md`).
const PRAGMAS: &str = "
    PRAGMA busy_timeout = 1000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -6000;
";

/// Opens connections to the file of a database.
#[derive(Clone, Debug)]
pub(crate) struct SqliteConnector {
    path: PathBuf,
    /// The file that the first connection led to.
    first: Arc<OnceLock<FileIdentity>>,
}

/// A connection, and the file that it leads to.
pub(crate) struct SqliteFile {
    pub(crate) connection: SqliteConnection,
    identity: FileIdentity,
}

units_of_work!(SqliteFile, connection: SqliteConnection);

impl SqliteConnector {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, first: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, which has to be there, and to be the one that was opened before.
    pub(crate) fn open(&self) -> Result<SqliteFile, Cause> {
        let identity = FileIdentity::of(&self.path)?;
        // The log (`-wal`) of the other file is still there: SQLite would put its pages into this one.
        if *self.first.get_or_init(|| identity) != identity {
            return Err(Replaced.into());
        }
        let mut connection = SqliteConnection::establish(&self.url())?;
        if FileIdentity::of(&self.path)? != identity {
            return Err(Replaced.into());
        }
        connection.batch_execute(PRAGMAS)?;
        Ok(SqliteFile { connection, identity })
    }

    /// Opens a file that nobody works with, and leaves it as it is.
    pub(crate) fn open_without_log(&self) -> Result<SqliteConnection, Cause> {
        FileIdentity::of(&self.path)?;
        Ok(SqliteConnection::establish(&self.url())?)
    }

    /// The same for a new file, on which others look at this moment.
    ///
    /// Switching it to WAL needs it for itself, and SQLite does not wait for that by `busy_timeout`.
    pub(crate) fn open_patiently(&self) -> Result<SqliteFile, Cause> {
        const PAUSE: Duration = Duration::from_millis(10);
        const ATTEMPTS: u32 = 500;
        for _ in 1..ATTEMPTS {
            match self.open() {
                Err(cause) if is_busy(&cause) => sleep(PAUSE),
                opened => return opened,
            }
        }
        self.open()
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
    /// Somebody may have moved it away; what is written to it then would be lost.
    fn is_usable(&self, file: &mut SqliteFile) -> bool {
        FileIdentity::of(&self.path).is_ok_and(|identity| identity == file.identity)
    }

    fn interrupter(&self, _: &SqliteFile) -> Option<Interrupter> {
        // A file answers; who else writes to it is waited for by `busy_timeout`.
        None
    }

    fn is_contention(_: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> bool {
        is_busy_message(information.message())
    }
}

/// The texts of `SQLITE_BUSY` and `SQLITE_LOCKED`: diesel does not tell the codes.
fn is_busy_message(message: &str) -> bool {
    message.starts_with("database is locked") || message.starts_with("database table is locked")
}

fn is_busy(cause: &Cause) -> bool {
    match cause.downcast_ref() {
        Some(diesel::result::Error::DatabaseError(_, information)) => {
            is_busy_message(information.message())
        }
        _ => false,
    }
}

#[derive(Debug, Error)]
#[error("the file of the database was replaced while the service runs; restart it")]
struct Replaced;
