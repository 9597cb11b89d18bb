//! The reservation of a database by the process that serves from it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use merchant_otp_ports::{BackendError, Cause};

use crate::file::{SERVICE, file_error, with_suffix};

/// The reservation of a database: a lock on the file `-service`, which names the process.
///
/// It is taken and looked for by processes that hold the [`OpeningLock`](crate::lock::OpeningLock).
#[derive(Debug)]
pub(crate) struct Reservation(#[expect(dead_code, reason = "held until it is dropped")] File);

impl Reservation {
    /// The maximum length of the name of a process, in bytes.
    const MAX_BYTES: u64 = 256;

    /// Reserves the database for this process.
    pub(crate) fn take(database: &Path) -> Result<Self, BackendError> {
        let path = with_suffix(database, SERVICE);
        let at = |error| BackendError::File(file_error(&path)(error));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(at)?;
        if let Err(error) = file.try_lock() {
            match error {
                TryLockError::Error(error) => return Err(at(error)),
                TryLockError::WouldBlock => {
                    let process = holder_name(&mut file).map_err(at)?;
                    return Err(BackendError::Served { database: database.to_owned(), process });
                }
            }
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.split_whitespace().next().unwrap_or("this machine");
        let name = format!("process {} on {host}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(name.as_bytes())).map_err(at)?;
        Ok(Self(file))
    }

    /// Returns the process that has reserved the database, if there is one.
    pub(crate) fn holder(database: &Path) -> Result<Option<String>, Cause> {
        let path = with_suffix(database, SERVICE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error(&path)(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                holder_name(&mut file).map(Some).map_err(file_error(&path))
            }
            Err(TryLockError::Error(error)) => Err(file_error(&path)(error)),
        }
    }
}

fn holder_name(file: &mut File) -> io::Result<String> {
    let mut name = Vec::new();
    file.take(Reservation::MAX_BYTES).read_to_end(&mut name)?;
    let name = String::from_utf8_lossy(&name);
    let name = name.lines().next().filter(|name| !name.is_empty());
    Ok(name.unwrap_or("another process").to_owned())
}
