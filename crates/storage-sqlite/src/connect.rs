//! Connections to SQLite and their settings.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
use merchant_otp_ports::{BackendError, Cause};
use merchant_otp_storage_sql::migration::MIGRATIONS_TABLE;
use thiserror::Error;

use crate::file::{self, FileIdentity, LOG, file_error, with_suffix};
use crate::lock::OpeningLock;
use crate::opening;
use crate::reservation::Reservation;
use crate::uri::{Access, uri};

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
    /// Whether the connections write.
    writes: bool,
    state: Arc<State>,
}

/// What all connections of the process share.
#[derive(Debug, Default)]
struct State {
    /// The file that was opened first.
    first: OnceLock<FileIdentity>,
    /// Whether the process has replaced the id of the file.
    id_is_renewed: AtomicBool,
    /// Set if this process serves from the database.
    reservation: OnceLock<Reservation>,
}

impl DatabaseFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, writes: false, state: Arc::default() }
    }

    /// The same file, for connections that write.
    pub(crate) fn for_writing(&self) -> Self {
        Self { writes: true, ..self.clone() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a connection to the file, which must exist and be the one that was opened first.
    pub(crate) fn open(&self) -> Result<SqliteConnection, Cause> {
        self.enter()?;
        self.check()?;
        let mut connection = SqliteConnection::establish(&uri(&self.path, Access::Write))?;
        self.check()?;
        connection.batch_execute(PRAGMAS)?;
        if self.writes && !self.state.id_is_renewed.load(Ordering::Relaxed) {
            self.renew_id(&OpeningLock::take(&self.path)?, &mut connection);
        }
        Ok(connection)
    }

    /// Checks, before the first connection of the process, that the log belongs to the file.
    ///
    /// The file must exist.
    pub(crate) fn enter(&self) -> Result<(), BackendError> {
        if self.state.first.get().is_some() {
            return Ok(());
        }
        let exists = self.path.try_exists();
        if !exists.map_err(|error| BackendError::File(file_error(&self.path)(error)))? {
            return Err(opening::missing(&self.path));
        }
        self.enter_with(&OpeningLock::take(&self.path).map_err(BackendError::File)?)
    }

    /// Like [`Self::enter`], for a process that holds the lock.
    pub(crate) fn enter_with(&self, lock: &OpeningLock) -> Result<(), BackendError> {
        let identity = FileIdentity::of(&self.path).map_err(BackendError::Unavailable)?;
        let is_served = self.state.reservation.get().is_none()
            && Reservation::holder(&self.path).map_err(BackendError::File)?.is_some();
        opening::check(&self.path, lock, is_served)?;
        self.state.first.get_or_init(|| identity);
        Ok(())
    }

    /// Replaces the id of the file once, so that copies of it are recognised as other files.
    pub(crate) fn renew_id(&self, lock: &OpeningLock, connection: &mut SqliteConnection) {
        if !self.state.id_is_renewed.swap(true, Ordering::Relaxed) {
            // If it fails, because the disk is full or another program has locked the database, the
            // present id stays.
            let _present = opening::renew_id(&self.path, lock, connection);
        }
    }

    /// Reserves the database for this process as the only one that serves from it.
    pub(crate) fn reserve(&self) -> Result<(), BackendError> {
        file::create_folder(&self.path).map_err(BackendError::File)?;
        let lock = OpeningLock::take(&self.path).map_err(BackendError::File)?;
        let reservation = Reservation::take(&self.path)?;
        self.state.reservation.get_or_init(|| reservation);
        if file::size(&self.path).map_err(BackendError::File)? > 0 {
            self.enter_with(&lock)?;
            let mut connection = self.open_patiently().map_err(BackendError::Unavailable)?;
            self.renew_id(&lock, &mut connection);
        }
        Ok(())
    }

    /// Checks that the path still leads to the file that was opened first.
    ///
    /// Writes to a file that was moved away would be lost. The log (`-wal`) of the first file would
    /// also still exist, and SQLite would apply its pages to the new file.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let identity = FileIdentity::of(&self.path)?;
        if self.state.first.get() == Some(&identity) { Ok(()) } else { Err(Replaced.into()) }
    }

    /// Opens a file that other processes may be opening too, and retries while it is busy.
    ///
    /// Switching a new file to WAL mode needs exclusive access, for which SQLite's `busy_timeout`
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
}

/// Opens a copy of a database that is not in use, without changing it.
///
/// Its log, if there is one beside it, is read too.
pub(crate) fn open_copy(path: &Path) -> Result<SqliteConnection, Cause> {
    FileIdentity::of(path)?;
    let log = file::size(&with_suffix(path, LOG))?;
    let access = if log > 0 { Access::Read } else { Access::WithoutLog };
    Ok(SqliteConnection::establish(&uri(path, access))?)
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
#[error(
    "the file of the database was replaced while the service runs; put the former file back, or stop \
     the service and run `merchant-otp migrate --accept-file`"
)]
struct Replaced;

/// Whether diesel's migrations table exists, as it does in every database of this service.
pub(crate) fn has_migrations_table(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let tables = format!("SELECT count(*) FROM sqlite_master WHERE name = '{MIGRATIONS_TABLE}'");
    Ok(sql::<BigInt>(&tables).get_result::<i64>(connection)? > 0)
}
