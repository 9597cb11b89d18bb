//! Installing programs with cargo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The program `cargo-deny`, which checks licences, sources and advisories of dependencies.
///
/// If it is missing, or of another version than deny.toml is written for, it is built below
/// `target/`.
///
/// # Errors
///
/// If it is missing and cannot be built.
pub fn cargo_deny() -> Result<PathBuf> {
    cargo_program("cargo-deny", "0.20.2")
}

/// The program `cargo-fuzz`, which builds and runs fuzz targets; built below `target/` if it is
/// missing.
///
/// # Errors
///
/// If it is missing and cannot be built.
pub fn cargo_fuzz() -> Result<PathBuf> {
    cargo_program("cargo-fuzz", "0.13.2")
}

/// The program `cargo-deb`, which makes packages for Debian; built below `target/` if it is
/// missing.
///
/// # Errors
///
/// If it is missing and cannot be built.
pub fn cargo_deb() -> Result<PathBuf> {
    cargo_program("cargo-deb", "3.8.0")
}

/// A program of a crate of the same name, in one version.
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
    // Its dependencies are built beside it, and are of no use afterwards.
    let building = folder.join("building");
    let status = install.arg("--root").arg(&folder).arg("--target-dir").arg(&building).status();
    ensure!(status.context("starting cargo")?.success(), "{name} cannot be built");
    fs::remove_dir_all(&building)?;
    fs::write(&installed, version)?;
    Ok(program)
}
