//! nginx and Caddy, the proxies whose example configurations are tested.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::apt::apt_update;

/// Returns the path of `nginx`: that of the system, or one that is unpacked from Debian's package
/// below `target/`.
///
/// # Errors
///
/// If it is missing and the package cannot be downloaded.
pub fn nginx() -> Result<PathBuf> {
    debian_program("nginx", "usr/sbin")
}

/// Returns the path of `caddy`, like [`nginx`].
///
/// # Errors
///
/// If it is missing and the package cannot be downloaded.
pub fn caddy() -> Result<PathBuf> {
    debian_program("caddy", "usr/bin")
}

/// Returns the path of a program with the name of its package.
///
/// The package is unpacked and not installed: its scripts would start a server on the machine.
fn debian_program(name: &str, folder: &str) -> Result<PathBuf> {
    const SYSTEM: [&str; 2] = ["/usr/sbin", "/usr/bin"];
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    if let Some(program) = folders.map(|folder| folder.join(name)).find(|path| path.is_file()) {
        return Ok(program);
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let unpacked = tools.join(name);
    let program = unpacked.join(folder).join(name);
    fs::create_dir_all(&unpacked)?;
    // Tests run concurrently: one downloads and the others wait.
    let lock = File::create(tools.join(name).with_extension("lock"))?;
    lock.lock()?;
    if program.is_file() {
        return Ok(program);
    }
    let help = || format!("{name} is missing: install it, for example from Debian's package");
    if !download(name, &unpacked) {
        apt_update("cannot update the list of packages: run `apt-get update`")
            .with_context(help)?;
        ensure!(download(name, &unpacked), help());
    }
    let package = fs::read_dir(&unpacked)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(help)?;
    let mut unpack = Command::new("dpkg-deb");
    let status =
        unpack.arg("--extract").arg(&package).arg(&unpacked).status().with_context(help)?;
    ensure!(status.success() && program.is_file(), help());
    fs::remove_file(package)?;
    Ok(program)
}

/// Downloads a package to a folder; returns whether it succeeded.
fn download(package: &str, folder: &Path) -> bool {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(["--quiet", "download", package]).current_dir(folder).stdin(Stdio::null());
    apt_get.status().is_ok_and(|status| status.success())
}
