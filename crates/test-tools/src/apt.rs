//! Installing packages with apt.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;

/// Installs packages of Debian: as root, or with a `sudo` that asks for no password.
///
/// # Errors
///
/// If that does not work; `help` says what to do then.
pub fn apt_install(packages: &[&str], help: &'static str) -> Result<()> {
    ensure!(Path::new("/usr/bin/apt-get").exists(), help);
    let apt_get = |arguments: &[&str]| -> Result<()> {
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
    };
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}
