//! Running programs.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs a program to completion and returns its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
