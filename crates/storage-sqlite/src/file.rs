//! The database file: its creation, its companions and its identity.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::num::ParseIntError;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::UNIX_EPOCH;

use merchant_otp_ports::Cause;
use thiserror::Error;

/// The suffix of the write-ahead log of SQLite.
pub(crate) const LOG: &str = "-wal";

/// The suffix of the index of the log.
pub(crate) const LOG_INDEX: &str = "-shm";

/// The suffix of the file that [`OpeningLock`](crate::lock::OpeningLock) locks.
pub(crate) const LOCK: &str = "-lock";

/// The suffix of the file that names the process that serves from the database.
pub(crate) const SERVICE: &str = "-service";

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

/// Makes a file accessible only to its owner.
pub(crate) fn make_private(path: &Path) -> Result<(), Cause> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(file_error(path))
}

/// Creates the missing folders of a file, accessible only to their owner.
pub(crate) fn create_folder(path: &Path) -> Result<(), Cause> {
    let folder = path.parent().map_or(Path::new("."), or_current);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_error(folder))
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

/// The size of a file, in bytes; 0 if it does not exist.
pub(crate) fn size(path: &Path) -> Result<u64, Cause> {
    Ok(metadata(path)?.map_or(0, |metadata| metadata.len()))
}

/// The mode of a file; 0 if it does not exist.
pub(crate) fn mode(path: &Path) -> Result<u32, Cause> {
    Ok(metadata(path)?.map_or(0, |metadata| metadata.mode()))
}

fn metadata(path: &Path) -> Result<Option<Metadata>, Cause> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(path)(error)),
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

/// A mark by which a file is recognised later: its inode and the time of its creation, where the
/// file system has one. The number of an inode alone is given to another file once it is free.
///
/// Both change with a copy, and may change when the file system is mounted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileMark {
    pub(crate) inode: u64,
    pub(crate) created: u128,
}

impl FileMark {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        let created = created.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let created = created.map_or(0, |time| time.as_nanos());
        Self { inode: metadata.ino(), created }
    }
}

impl fmt::Display for FileMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-{:x}", self.inode, self.created)
    }
}

impl FromStr for FileMark {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (inode, created) = text.split_once('-').unwrap_or((text, ""));
        let inode = u64::from_str_radix(inode, 16)?;
        Ok(Self { inode, created: u128::from_str_radix(created, 16)? })
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
