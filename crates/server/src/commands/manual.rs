//! `completions` and `man`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::command_line::CommandLine;

/// Prints the completion script for a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "merchant-otp", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Writes the manual pages to new files of a folder, one per command. Writes none if one of the
/// files exists.
///
/// They are readable by every user, because they hold no secret and everyone needs them.
pub(crate) fn pages(folder: &Path) -> anyhow::Result<()> {
    let generated = tempfile::tempdir().context("cannot create a temporary folder")?;
    clap_mangen::generate_to(CommandLine::command(), generated.path())?;
    let pages = fs::read_dir(generated.path())?.collect::<io::Result<Vec<_>>>()?;
    let targets = pages.iter().map(|page| folder.join(page.file_name()));
    if let Some(existing) = targets.clone().find(|path| path.symlink_metadata().is_ok()) {
        bail!("{}: the file already exists and was not changed", existing.display());
    }
    for (page, target) in pages.iter().zip(targets) {
        let write = || {
            let page = fs::read(page.path())?;
            OpenOptions::new().write(true).create_new(true).open(&target)?.write_all(&page)
        };
        write().with_context(|| target.display().to_string())?;
    }
    Ok(())
}
