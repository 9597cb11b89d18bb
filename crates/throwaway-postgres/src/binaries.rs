//! Finding and installing PostgreSQL's programs.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use merchant_otp_test_tools::apt_install;

/// The folder in which Debian and its derivatives install the binaries of each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

const HELP: &str = "PostgreSQL is missing: install its server (initdb, postgres), for example by \
                    `apt-get install postgresql`, and put it on the PATH";

/// Returns the folder of `initdb` and `postgres`; installs them with apt if they are missing.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    if let Some(folder) = find() {
        return Ok(folder);
    }
    apt_install(&["postgresql"], HELP)?;
    find().context("PostgreSQL is installed, but `initdb` was not found")
}

/// Returns the path of a program of PostgreSQL, such as `pg_dump`; installs PostgreSQL with apt if
/// it is missing.
///
/// # Errors
///
/// If PostgreSQL is missing and cannot be installed.
pub fn program(name: &str) -> Result<PathBuf> {
    Ok(find_or_install()?.join(name))
}

/// Returns the folder of `initdb` and `postgres`, the newest of several.
pub(crate) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path);
    let mut debian: Vec<(u32, PathBuf)> = Path::new(DEBIAN)
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    debian.sort();
    let newest_first = debian.into_iter().rev().map(|(_, folder)| folder);
    newest_first
        .chain(on_path)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}
