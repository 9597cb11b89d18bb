//! Rules of opening a database: when a new one may be created, and which file a log belongs to.
//!
//! A log (`-wal`) holds acknowledged data that its database file may not have yet. SQLite deletes a
//! log beside an empty file, and applies the pages of any log to any file. Therefore no database is
//! created beside a log, and no file is opened with the log of another one.

use std::fs;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use diesel::sqlite::SqliteConnection;
use merchant_otp_ports::{BackendError, Cause};

use crate::file::{self, FileMark, LOCK, LOG, LOG_INDEX, file_error, with_suffix};
use crate::lock::{DatabaseId, LogOwner, OpeningLock};
use crate::uri::{Access, uri};

/// Creates the file of a new database, unless there is one.
pub(crate) fn create(path: &Path, lock: &OpeningLock) -> Result<(), BackendError> {
    let is_empty = file::size(path).map_err(BackendError::File)? == 0;
    if is_empty {
        expect_no_remains(path, lock.owner().map_err(BackendError::File)?.as_ref())?;
    }
    file::create(path).map_err(BackendError::Unavailable)?;
    if is_empty { file::make_private(path).map_err(BackendError::Unavailable) } else { Ok(()) }
}

/// Checks that only their owner and group can access the file and its log.
fn expect_private(path: &Path) -> Result<(), BackendError> {
    let mut exposed = Vec::new();
    for path in [path.to_owned(), with_suffix(path, LOG)] {
        if file::mode(&path).map_err(BackendError::File)? & 0o007 != 0 {
            exposed.push(path.display().to_string());
        }
    }
    if exposed.is_empty() {
        return Ok(());
    }
    Err(BackendError::Unsuitable(format!(
        "other users can access the database; run `chmod o= {}`",
        exposed.join(" ")
    )))
}

/// Checks that the log beside the file belongs to it, or that there is none.
///
/// `is_served`: whether another process serves from the database, and may write to the log.
pub(crate) fn check(path: &Path, lock: &OpeningLock, is_served: bool) -> Result<(), BackendError> {
    let owner = lock.owner().map_err(BackendError::File)?;
    if file::size(path).map_err(BackendError::File)? == 0 {
        return expect_no_remains(path, owner.as_ref());
    }
    expect_private(path)?;
    // The former version left no record.
    let Some(owner) = owner else { return Ok(()) };
    let present = Present::of(path, lock).map_err(BackendError::Database)?;
    if present.is(&owner) {
        return Ok(());
    }
    let log = with_suffix(path, LOG);
    if is_served || file::size(&log).map_err(BackendError::File)? > 0 {
        return Err(BackendError::ForeignLog { database: path.to_owned(), log });
    }
    // Without a log there is nothing to mix up: another file, such as a copy, may be put there.
    lock.record(&present.into()).map_err(BackendError::File)
}

/// Replaces the id of the file by a new one, so that copies of it are recognised as other files.
pub(crate) fn renew_id(
    path: &Path,
    lock: &OpeningLock,
    connection: &mut SqliteConnection,
) -> Result<(), Cause> {
    // SQLite's own generator, which is seeded by the operating system.
    let random = sql::<BigInt>("SELECT random() & 2147483647").get_result::<i64>(connection)?;
    let new = DatabaseId(i32::try_from(random)?.max(1));
    let present = Present::of(path, lock)?;
    // Until the log is applied, the file has an older id.
    let mut ids = lock.owner()?.unwrap_or_default().ids;
    ids.retain(|id| *id != present.id);
    ids.splice(..0, [new, present.id]);
    if ids.len() > LogOwner::MAX_IDS {
        // Another program keeps the log from being applied. The present id stays.
        return Ok(());
    }
    let owner = LogOwner { ids, ..present.into() };
    lock.record(&owner)?;
    let DatabaseId(id) = new;
    connection
        .batch_execute(&format!("PRAGMA user_version = {id}; PRAGMA wal_checkpoint(TRUNCATE);"))?;
    if Present::of(path, lock)?.id == new {
        lock.record(&LogOwner { ids: vec![new], ..owner })?;
    }
    Ok(())
}

/// Accepts the file that is there, and renames the log of another file; returns its new names.
///
/// `check` checks that the file is a database of this service.
pub(crate) fn accept(
    path: &Path,
    lock: &OpeningLock,
    check: impl FnOnce() -> Result<(), BackendError>,
) -> Result<Vec<PathBuf>, BackendError> {
    let owner = lock.owner().map_err(BackendError::File)?;
    let present = Present::of(path, lock).map_err(BackendError::Database)?;
    if owner.is_none_or(|owner| present.is(&owner)) {
        return Ok(Vec::new());
    }
    check()?;
    let mut renamed = Vec::new();
    for suffix in [LOG, LOG_INDEX] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            let to = unused_name(&from);
            fs::rename(&from, &to).map_err(|error| BackendError::File(file_error(&from)(error)))?;
            renamed.push(to);
        }
    }
    file::sync_folders(path).map_err(BackendError::File)?;
    lock.record(&present.into()).map_err(BackendError::File)?;
    Ok(renamed)
}

/// The error of a database that does not exist.
pub(crate) fn missing(path: &Path) -> BackendError {
    let owner = OpeningLock::peek(path).map_err(BackendError::File);
    let remains = owner.and_then(|owner| expect_no_remains(path, owner.as_ref()));
    remains.err().unwrap_or_else(|| BackendError::Missing(path.to_owned()))
}

/// Checks that no file shows that there was a database. A master key alone does not show it: it may
/// have been created first.
pub(crate) fn expect_no_remains(path: &Path, owner: Option<&LogOwner>) -> Result<(), BackendError> {
    let mut found = [LOG, LOG_INDEX].map(|suffix| with_suffix(path, suffix)).to_vec();
    found.retain(|path| path.exists());
    if owner.is_some() {
        found.push(with_suffix(path, LOCK));
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(BackendError::Lost { database: path.to_owned(), found })
}

/// Returns a name that no file has: that of the file, with a number.
fn unused_name(path: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let name = with_suffix(path, &format!(".{number}"));
        if !name.exists() {
            return name;
        }
        number += 1;
    }
}

/// The file that is there now.
#[derive(Clone, Copy)]
struct Present {
    id: DatabaseId,
    mark: FileMark,
    lock: FileMark,
}

impl Present {
    fn of(path: &Path, lock: &OpeningLock) -> Result<Self, Cause> {
        let mark = FileMark::of(&fs::metadata(path).map_err(file_error(path))?);
        Ok(Self { id: read_id(path)?, mark, lock: lock.mark()? })
    }

    fn is(self, owner: &LogOwner) -> bool {
        owner.is(self.id, self.mark, self.lock)
    }
}

impl From<Present> for LogOwner {
    fn from(present: Present) -> Self {
        Self { ids: vec![present.id], marks: Some((present.mark, present.lock)) }
    }
}

/// Reads the id of a database file without its log.
///
/// Through SQLite, because closing the file otherwise would release SQLite's locks on it.
fn read_id(path: &Path) -> Result<DatabaseId, Cause> {
    let mut connection = SqliteConnection::establish(&uri(path, Access::WithoutLog))?;
    let id = sql::<Integer>("PRAGMA user_version").get_result(&mut connection)?;
    Ok(DatabaseId(id))
}
