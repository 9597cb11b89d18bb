//! The file of a database: making it, locking it, telling it from others.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use merchant_otp_ports::Cause;
use thiserror::Error;

/// Makes the file and its folder if they are missing, for the owner's eyes only.
pub(crate) fn create(path: &Path) -> Result<(), Cause> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(file_error(path)(error)),
    }
    sync_folders(path)
}

/// Makes the name of a new file durable: it is once its folder is, and that of a new folder
/// likewise.
pub(crate) fn sync_folders(path: &Path) -> Result<(), Cause> {
    for folder in path.ancestors().skip(1).take(2).map(or_current) {
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            // A process that may not list a folder has created nothing in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(file_error(folder))?,
        }
    }
    Ok(())
}

/// Held by the one process that makes or migrates the database.
///
/// It is a lock on a file of its own: closing the database's file would end the locks that SQLite
/// has on it in this process (<https://sqlite.org/howtocorrupt.html>, section 2.2).
pub(crate) struct MigrationLock(#[expect(dead_code, reason = "dropped at the end")] File);

impl MigrationLock {
    /// Waits for the lock; creates the folder of the database for it, for its owner alone.
    pub(crate) fn take(database: &Path) -> Result<Self, Cause> {
        let folder = database.parent().map_or(Path::new("."), or_current);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_error(folder))?;
        let path = with_suffix(database, "-lock");
        let options =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).clone();
        let file = options.open(&path).map_err(file_error(&path))?;
        file.lock().map_err(file_error(&path))?;
        Ok(Self(file))
    }
}

/// Which file a path leads to, by device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

impl FileIdentity {
    pub(crate) fn of(path: &Path) -> Result<Self, Cause> {
        let metadata = fs::metadata(path).map_err(file_error(path))?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

/// The path of a file that belongs to another one.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The folder of a path without one is the current one.
fn or_current(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[derive(Debug, Error)]
#[error("{}", path.display())]
struct FileError {
    path: PathBuf,
    source: io::Error,
}

pub(crate) fn file_error(path: &Path) -> impl Fn(io::Error) -> Cause {
    move |source| FileError { path: path.to_owned(), source }.into()
}
