//! oathtool, an independent implementation of TOTP.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::apt_install;

/// Returns the path of `oathtool`, which computes one-time codes; installs it with apt if it is
/// missing.
///
/// # Errors
///
/// If it is missing and cannot be installed.
pub fn oathtool() -> Result<PathBuf> {
    const HELP: &str = "oathtool is missing: install it (OATH Toolkit), for example by \
                        `apt-get install oathtool`, and put it on the PATH";
    if let Some(program) = find() {
        return Ok(program);
    }
    apt_install(&["oathtool"], HELP)?;
    find().context(HELP)
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join("oathtool")).find(|program| program.is_file())
}
