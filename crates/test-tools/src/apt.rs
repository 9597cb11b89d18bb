//! Installing packages with apt.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;

/// Installs Debian packages, as root or with a `sudo` that needs no password.
///
/// # Errors
///
/// If the installation fails. The error is `help`, which explains what to do.
pub fn apt_install(packages: &[&str], help: &'static str) -> Result<()> {
    apt_update(help)?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat(), help)
}

/// Updates the list of packages, as root or with a `sudo` that needs no password.
pub(crate) fn apt_update(help: &'static str) -> Result<()> {
    apt_get(&["update"], help)
}

fn apt_get(arguments: &[&str], help: &'static str) -> Result<()> {
    ensure!(Path::new("/usr/bin/apt-get").exists(), help);
    let mut command = if geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    };
    let status = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context(help)?;
    ensure!(status.success(), help);
    Ok(())
}
