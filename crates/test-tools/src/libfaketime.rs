//! libfaketime, which sets the clock of a process.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apt_install;

/// Returns the path of the library `libfaketime`, which sets the clock of the processes that load
/// it; installs it with apt if it is missing.
///
/// # Errors
///
/// If it is missing and cannot be installed.
pub fn libfaketime() -> Result<PathBuf> {
    const HELP: &str = "libfaketime is missing: install it below /usr/lib, for example by \
                        `apt-get install libfaketime`";
    if let Some(library) = find() {
        return Ok(library);
    }
    apt_install(&["libfaketime"], HELP)?;
    find().context(HELP)
}

/// Finds the build for multi-threaded programs, in the folder of any architecture.
fn find() -> Option<PathBuf> {
    let libraries = Path::new("/usr/lib");
    let folders = fs::read_dir(libraries).into_iter().flatten();
    let folders = folders.filter_map(|folder| Some(folder.ok()?.path()));
    folders
        .chain([libraries.to_owned()])
        .map(|folder| folder.join("faketime").join("libfaketimeMT.so.1"))
        .find(|library| library.is_file())
}
