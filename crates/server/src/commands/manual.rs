//! `completions` and `man`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::command_line::CommandLine;

/// Prints what a shell needs to complete the commands.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "merchant-otp", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Writes the manual pages, one for each command, to a folder.
pub(crate) fn pages(folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(CommandLine::command(), folder)
        .with_context(|| folder.display().to_string())
}
