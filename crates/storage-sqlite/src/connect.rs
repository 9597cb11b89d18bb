//! Connections to SQLite and their settings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorInformation;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use merchant_otp_ports::Cause;
use merchant_otp_storage_sql::migration::MIGRATIONS_TABLE;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use thiserror::Error;

use crate::file::FileIdentity;

/// The settings of each connection.
///
/// `busy_timeout` is first, so that the other settings also wait for a lock. It is short because
/// the application retries contended work. The cache has 6000 KiB: with SQLite's default of 2000,
/// look-ups among a million devices were slower than among a thousand (`docs/performance.md`).
const PRAGMAS: &str = "
    PRAGMA busy_timeout = 1000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -6000;
";

/// A database file; opens connections to it.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// The file that was opened first.
    first: Arc<OnceLock<FileIdentity>>,
}

impl DatabaseFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, first: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a connection to the file, which must exist and be the one that was opened first.
    pub(crate) fn open(&self) -> Result<SqliteConnection, Cause> {
        let identity = FileIdentity::of(&self.path)?;
        self.first.get_or_init(|| identity);
        self.check()?;
        let mut connection = SqliteConnection::establish(&self.url())?;
        self.check()?;
        connection.batch_execute(PRAGMAS)?;
        Ok(connection)
    }

    /// Checks that the path still leads to the file that was opened first.
    ///
    /// Writes to a file that was moved away would be lost. The log (`-wal`) of the first file would
    /// also still exist, and SQLite would apply its pages to the new file.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let identity = FileIdentity::of(&self.path)?;
        if self.first.get() == Some(&identity) { Ok(()) } else { Err(Replaced.into()) }
    }

    /// Opens a file that is not in use, without changing it.
    pub(crate) fn open_without_log(&self) -> Result<SqliteConnection, Cause> {
        FileIdentity::of(&self.path)?;
        Ok(SqliteConnection::establish(&self.url())?)
    }

    /// Opens a new file that other processes may be opening too, and retries while it is busy.
    ///
    /// Switching the file to WAL mode needs exclusive access, for which SQLite's `busy_timeout`
    /// does not wait.
    pub(crate) fn open_patiently(&self) -> Result<SqliteConnection, Cause> {
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

    /// Returns the URI of the file (<https://sqlite.org/uri.html>). Its mode does not create the
    /// file, because an empty database in place of a lost one would hide the loss.
    fn url(&self) -> String {
        const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');
        let path = percent_encode(self.path.as_os_str().as_encoded_bytes(), RESERVED);
        format!("file:{path}?mode=rw")
    }
}

/// Whether a database error means that another connection holds a lock (`SQLITE_BUSY`,
/// `SQLITE_LOCKED`).
///
/// Recognises errors by their text, because diesel does not expose the code.
pub(crate) fn is_contention(information: &dyn DatabaseErrorInformation) -> bool {
    let message = information.message();
    message.starts_with("database is locked") || message.starts_with("database table is locked")
}

fn is_busy(cause: &Cause) -> bool {
    let error = cause.downcast_ref::<diesel::result::Error>();
    matches!(error, Some(DatabaseError(_, information)) if is_contention(&**information))
}

#[derive(Debug, Error)]
#[error("the file of the database was replaced while the service runs; restart it")]
struct Replaced;

/// Whether diesel's migrations table exists, as it does in every database of this service.
pub(crate) fn has_migrations_table(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let tables = format!("SELECT count(*) FROM sqlite_master WHERE name = '{MIGRATIONS_TABLE}'");
    Ok(sql::<BigInt>(&tables).get_result::<i64>(connection)? > 0)
}
