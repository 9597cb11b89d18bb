//! The database file: its creation, its lock and its identity.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use merchant_otp_ports::Cause;
use thiserror::Error;

/// Creates the file if it is missing, accessible only to its owner, and makes its name durable.
pub(crate) fn create(path: &Path) -> Result<(), Cause> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(file_error(path)(error)),
    }
    sync_folders(path)
}

/// Makes the name of a new file durable: syncs its folder, and the parent of the folder in case the
/// folder is new too.
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

/// A lock that is held by the one process that creates or migrates the database.
///
/// It locks a separate file: closing the database file would release the locks that SQLite holds on
/// it in this process (<https://sqlite.org/howtocorrupt.html>, section 2.2).
pub(crate) struct MigrationLock(#[expect(dead_code, reason = "dropped at the end")] File);

impl MigrationLock {
    /// Waits for the lock. Creates a missing folder of the database, accessible only to its owner.
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

/// The identity of the file that a path leads to: its device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

impl FileIdentity {
    pub(crate) fn of(path: &Path) -> Result<Self, Cause> {
        let metadata = fs::metadata(path).map_err(file_error(path))?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

/// Returns the path of a companion file, whose name has a suffix.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Replaces the empty folder of a bare file name with the current folder.
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
