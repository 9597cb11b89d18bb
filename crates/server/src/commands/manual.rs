//! `completions` and `man`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::command_line::CommandLine;

/// Prints the completion script for a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "merchant-otp", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Writes the manual pages to a folder, one per command.
pub(crate) fn pages(folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(CommandLine::command(), folder)
        .with_context(|| folder.display().to_string())
}
