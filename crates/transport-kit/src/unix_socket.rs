//! Unix sockets and their files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A socket at a path. Dropping it removes the file if it is still there.
///
/// ```
/// use merchant_otp_transport_kit::{Listen, Listener};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("socket");
/// let listener = Listener::bind(Listen::Unix(path.clone()), None).unwrap();
/// assert!(path.exists());
/// drop(listener.guard);
/// assert!(!path.exists());
/// ```
#[derive(Debug)]
pub struct UnixSocket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    /// Held as long as the socket: a server that starts at the same time must not replace it.
    _lock: File,
}

impl UnixSocket {
    /// Listens at a path. Replaces a socket that a dead server left behind, and nothing else.
    pub(crate) fn bind(path: &Path) -> io::Result<(Self, UnixListener)> {
        let lock = lock(path)?;
        remove_abandoned(path)?;
        // The socket is created beside its path and moved there once it has its permissions: for
        // the user and group of the service, such as a proxy that is in the group.
        let new = with_suffix(path, ".new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o660))?;
        fs::rename(&new, path)?;
        let metadata = fs::symlink_metadata(path)?;
        let identity = (metadata.dev(), metadata.ino());
        Ok((Self { path: path.to_owned(), identity, _lock: lock }, listener))
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let metadata = fs::symlink_metadata(&self.path);
        if metadata.is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity) {
            let _gone_just_now = fs::remove_file(&self.path);
        }
    }
}

/// Locks a file beside the socket. The file is never removed: otherwise two servers could lock two
/// files.
fn lock(path: &Path) -> io::Result<File> {
    let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).clone();
    let file = options.open(with_suffix(path, ".lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Refuses a path that exists, unless it is a socket on which no process listens.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(suffix);
    path.into()
}
