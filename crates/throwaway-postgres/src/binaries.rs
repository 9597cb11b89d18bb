use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;

/// Where Debian and its children keep the binaries of each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of `initdb` and `postgres`; installs them with apt if there is none.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    if let Some(folder) = find() {
        return Ok(folder);
    }
    install()?;
    find().context("PostgreSQL is installed, and `initdb` is not to be found")
}

fn find() -> Option<PathBuf> {
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

fn install() -> Result<()> {
    const HELP: &str = "PostgreSQL is missing: install its server (initdb, postgres), for example by \
                        `apt-get install postgresql`, and put it on the PATH";
    let apt = |arguments: &[&str]| -> Result<()> {
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
            .context(HELP)?;
        ensure!(status.success(), "{HELP}");
        Ok(())
    };
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(HELP);
    }
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", "postgresql"])
}
