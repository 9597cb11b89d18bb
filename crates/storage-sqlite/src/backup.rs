//! Backup and restore.

use std::io;
use std::path::{Path, PathBuf, absolute};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use merchant_otp_ports::{BackendError, Cause};
use tempfile::Builder;

use crate::connect::{DatabaseFile, has_migrations_table, open_copy};
use crate::file::{self, file_error};
use crate::lock::OpeningLock;
use crate::opening;
use crate::reservation::Reservation;
use crate::uri::{Access, uri};

/// Copies a consistent snapshot of a database, which may be in use, to a new file.
pub(crate) fn back_up(file: &DatabaseFile, to: &Path) -> Result<(), BackendError> {
    file.enter()?;
    copy(&mut file.open().map_err(BackendError::Database)?, to)
}

/// Creates a database from a copy. The database must not exist.
pub(crate) fn restore(file: &DatabaseFile, from: &Path) -> Result<(), BackendError> {
    let path = file.path();
    let copied = &mut open_copy(from).map_err(BackendError::Database)?;
    check(copied)?;
    file::create_folder(path).map_err(BackendError::File)?;
    // Keeps other processes from creating a database there meanwhile.
    let lock = OpeningLock::take(path).map_err(BackendError::File)?;
    if path.exists() {
        return Err(BackendError::Exists(path.to_owned()));
    }
    opening::expect_no_remains(path, lock.owner().map_err(BackendError::File)?.as_ref())?;
    copy(copied, path)
}

/// Accepts a database file that was put in the place of another one; returns the new names of the
/// other one's log.
pub(crate) fn accept(path: &Path) -> Result<Vec<PathBuf>, BackendError> {
    if !path.exists() {
        return Err(opening::missing(path));
    }
    let lock = OpeningLock::take(path).map_err(BackendError::File)?;
    if let Some(process) = Reservation::holder(path).map_err(BackendError::File)? {
        return Err(BackendError::Served { database: path.to_owned(), process });
    }
    opening::accept(path, &lock, || {
        let file = SqliteConnection::establish(&uri(path, Access::WithoutLog));
        check(&mut file.map_err(unusable)?)
    })
}

/// Checks that a database is intact and belongs to this service: an empty file is a database too.
fn check(connection: &mut SqliteConnection) -> Result<(), BackendError> {
    let found = sql::<Text>("PRAGMA integrity_check").load::<String>(connection);
    if found.map_err(unusable)? != ["ok"] {
        return Err(unusable("it is damaged: PRAGMA integrity_check"));
    }
    if !has_migrations_table(connection).map_err(unusable)? {
        return Err(unusable("it is not a database of this service"));
    }
    Ok(())
}

fn unusable(error: impl Into<Cause>) -> BackendError {
    BackendError::Database(error.into())
}

/// Durably writes a consistent snapshot of a connection's database to a new file.
///
/// The copy has another name until it is complete: an incomplete copy must look neither complete
/// nor like a new database.
fn copy(connection: &mut SqliteConnection, to: &Path) -> Result<(), BackendError> {
    if to.exists() {
        return Err(BackendError::Exists(to.to_owned()));
    }
    // Absolute, because SQLite interprets names such as `file:…` and `:memory:`.
    let at = |error| BackendError::File(file_error(to)(error));
    let target = absolute(to).map_err(at)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let name = target.file_name().unwrap_or_default();
    // An empty file that only its owner can read.
    let copy = Builder::new().prefix(name).suffix("-incomplete").tempfile_in(folder).map_err(at)?;
    let path = copy.path().to_str();
    let path = path.ok_or_else(|| BackendError::File("its name is not UTF-8".into()))?;
    sql_query("VACUUM INTO ?").bind::<Text, _>(path).execute(connection).map_err(unusable)?;
    // A copy is another file: it must not have the id of the database.
    let copied = SqliteConnection::establish(&uri(copy.path(), Access::Write));
    copied.map_err(unusable)?.batch_execute("PRAGMA user_version = 0").map_err(unusable)?;
    copy.as_file().sync_all().map_err(at)?;
    match copy.persist_noclobber(to) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackendError::Exists(to.to_owned()));
        }
        persisted => persisted.map_err(|error| at(error.error))?,
    };
    file::sync_folders(to).map_err(BackendError::File)
}
