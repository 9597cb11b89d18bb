//! Installing programs with cargo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Returns the path of `cargo-deny`, which checks licences, sources and advisories of dependencies.
///
/// It is built below `target/` if it is missing or has another version than the one that deny.toml
/// is written for.
///
/// # Errors
///
/// If it is missing and cannot be built.
pub fn cargo_deny() -> Result<PathBuf> {
    cargo_program("cargo-deny", "0.20.2")
}

/// Returns the path of `cargo-fuzz`, which builds and runs fuzz targets. It is built below
/// `target/` if it is missing.
///
/// # Errors
///
/// If it is missing and cannot be built.
pub fn cargo_fuzz() -> Result<PathBuf> {
    cargo_program("cargo-fuzz", "0.13.2")
}

/// Returns the path of `cargo-deb`, which builds Debian packages. It is built below `target/` if it
/// is missing.
///
/// # Errors
///
/// If it is missing and cannot be built.
pub fn cargo_deb() -> Result<PathBuf> {
    cargo_program("cargo-deb", "3.8.0")
}

/// Returns the path of the program of a crate with the same name, and builds it unless this version
/// is present.
fn cargo_program(name: &str, version: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools").join(name);
    let program = folder.join("bin").join(name);
    let installed = folder.join("version.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == version) {
        return Ok(program);
    }
    fs::create_dir_all(&folder)?;
    let mut install = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    install.args(["install", "--quiet", "--locked", "--force", name, "--version", version]);
    // A separate target folder, which is removed afterwards.
    let building = folder.join("building");
    let status = install.arg("--root").arg(&folder).arg("--target-dir").arg(&building).status();
    ensure!(status.context("starting cargo")?.success(), "{name} cannot be built");
    fs::remove_dir_all(&building)?;
    fs::write(&installed, version)?;
    Ok(program)
}
