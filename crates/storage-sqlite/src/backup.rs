use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use merchant_otp_ports::Cause;
use merchant_otp_storage_diesel::MIGRATIONS_TABLE;
use thiserror::Error;

use crate::connector::{SqliteConnector, SqliteFile};
use crate::file::{self, file_error};

/// Why a database is not backed up or restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The file that is to be made is there.
    #[error("it is there already, and stays as it is")]
    Exists,
    /// A file cannot be opened, read or written.
    #[error("a file cannot be used")]
    File(#[source] Cause),
    /// SQLite failed, or the database is damaged.
    #[error("the database cannot be used")]
    Database(#[source] Cause),
}

/// Copies a database, as it is at one moment, to a new file, while others work with it.
pub(crate) fn back_up(connector: &SqliteConnector, to: &Path) -> Result<(), BackupError> {
    let SqliteFile { connection, .. } = &mut connector.open().map_err(BackupError::Database)?;
    create_new(to)?;
    copy(connection, to).inspect_err(|_| {
        let _half_a_copy = std::fs::remove_file(to);
    })
}

/// Makes a database of a copy; there must be none.
pub(crate) fn restore(connector: &SqliteConnector, from: &Path) -> Result<(), BackupError> {
    let path = connector.path();
    // Through a connection of its own, so that what is restored is a database, and whole.
    let copy_connector = SqliteConnector::new(from.to_owned());
    let copied = &mut copy_connector.open_without_log().map_err(BackupError::Database)?;
    check(copied)?;
    is_ours(copied)?;
    file::create_folder(path).map_err(BackupError::File)?;
    create_new(path)?;
    copy(copied, path).inspect_err(|_| {
        let _half_a_copy = std::fs::remove_file(path);
    })
}

fn check(connection: &mut SqliteConnection) -> Result<(), BackupError> {
    #[derive(QueryableByName)]
    struct Check {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }
    let found = sql_query("PRAGMA integrity_check").load::<Check>(connection);
    let found = found.map_err(|error| BackupError::Database(error.into()))?;
    match &*found {
        [Check { integrity_check }] if integrity_check == "ok" => Ok(()),
        _ => Err(BackupError::Database("it is damaged: PRAGMA integrity_check".into())),
    }
}

/// Checks that a database was made by this service: an empty file is a database too.
fn is_ours(connection: &mut SqliteConnection) -> Result<(), BackupError> {
    let tables = format!("SELECT count(*) FROM sqlite_master WHERE name = '{MIGRATIONS_TABLE}'");
    let tables = sql::<BigInt>(&tables).get_result::<i64>(connection);
    match tables.map_err(|error| BackupError::Database(error.into()))? {
        0 => Err(BackupError::Database("it is none of this service".into())),
        _ => Ok(()),
    }
}

/// Writes what a connection sees at one moment into an empty file, durably.
fn copy(connection: &mut SqliteConnection, to: &Path) -> Result<(), BackupError> {
    let name = to.to_str().ok_or_else(|| BackupError::File("its name is not UTF-8".into()))?;
    sql_query("VACUUM INTO ?")
        .bind::<Text, _>(name)
        .execute(connection)
        .map_err(|error| BackupError::Database(error.into()))?;
    let synced = File::open(to).and_then(|file| file.sync_all());
    synced.map_err(|error| BackupError::File(file_error(to)(error)))?;
    file::sync_folders(to).map_err(BackupError::File)
}

/// Makes an empty file for the owner's eyes only.
fn create_new(path: &Path) -> Result<(), BackupError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BackupError::Exists),
        Err(error) => Err(BackupError::File(file_error(path)(error))),
    }
}
