//! schemathesis, which tests a server against its OpenAPI description.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::apt_install;

/// The versions of schemathesis and its dependencies, in the format of `pip freeze`.
const REQUIREMENTS: &str = include_str!("../../../tests/schemathesis/requirements.txt");

/// Returns the path of `schemathesis`.
///
/// It is installed below `target/` with Python's pip if it is missing or has other versions.
///
/// # Errors
///
/// If it is missing and cannot be installed.
pub fn schemathesis() -> Result<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    fs::create_dir_all(&tools)?;
    let folder = tools.join("schemathesis");
    let program = folder.join("bin/schemathesis");
    // Tests run concurrently: one installs and the others wait.
    let lock = File::create(tools.join("schemathesis.lock"))?;
    lock.lock()?;
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|versions| versions == REQUIREMENTS) {
        return Ok(program);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    make_environment(&folder)?;
    let requirements = tools.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    let status = pip.arg("--requirement").arg(&requirements).stdin(Stdio::null()).status();
    let status = status.context("starting pip")?;
    ensure!(status.success(), "pip could not install schemathesis");
    fs::write(&installed, REQUIREMENTS)?;
    Ok(program)
}

/// Creates a virtual environment of Python; installs Python and its module venv with apt if one of
/// them is missing.
fn make_environment(folder: &Path) -> Result<()> {
    const HELP: &str = "Python 3 with its module venv is missing: install it, for example by \
                        `apt-get install python3 python3-venv`";
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv"]).arg(folder).stdin(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    };
    if !make() {
        apt_install(&["python3", "python3-venv"], HELP)?;
        ensure!(make(), HELP);
    }
    Ok(())
}
