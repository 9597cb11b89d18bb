//! The file of rejected rows: a CSV file that can be corrected and imported again.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use csv::Writer;
use merchant_otp_device_files::{Fields, Place};
use tempfile::NamedTempFile;

use super::input;
use crate::command_line::ImportArgs;

/// The columns after the fields. They are ignored when the file is imported again.
const MORE: [&str; 2] = ["place", "reason"];

/// A file of rejected rows, opened before the first row. Only its owner can read it, because it
/// contains keys.
pub(super) enum Rejects {
    /// A dry run writes no file.
    DryRun,
    /// The file of the command line.
    Named(Box<Writer<File>>, PathBuf),
    /// A file beside the input, which gets its name when there is a row for it.
    Beside(Box<Writer<NamedTempFile>>, PathBuf),
}

impl Rejects {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// If the file exists, or cannot be created, or if the input is a pipe and no file is named.
    pub(super) fn open(arguments: &ImportArgs) -> anyhow::Result<Self> {
        let input = &arguments.file;
        let named = arguments.rejects.as_ref();
        if let Some(path) = named.filter(|path| path.symlink_metadata().is_ok()) {
            bail!("--rejects: {}: the file already exists and was not changed", path.display());
        }
        if named.is_none() && !input::has_folder(input) {
            bail!("{}: name a new file for rejected rows with --rejects", input::name(input));
        }
        if arguments.dry_run {
            return Ok(Self::DryRun);
        }
        let mut rejects = if let Some(path) = named {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = file.with_context(|| format!("--rejects: {}", path.display()))?;
            Self::Named(Box::new(Writer::from_writer(file)), path.clone())
        } else {
            let folder = input.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            let file = NamedTempFile::with_prefix_in(".rejects-", folder).with_context(|| {
                format!("{}: name a file elsewhere with --rejects", folder.display())
            })?;
            Self::Beside(Box::new(Writer::from_writer(file)), input.clone())
        };
        rejects.write(&Fields::NAMES, MORE)?;
        Ok(rejects)
    }

    pub(super) fn add(
        &mut self,
        fields: &Fields,
        place: &Place,
        reason: &str,
    ) -> anyhow::Result<()> {
        self.write(&fields.values(), [&place.to_string(), reason])
    }

    fn write(&mut self, fields: &[&str], more: [&str; 2]) -> anyhow::Result<()> {
        let row = fields.iter().copied().chain(more);
        match self {
            Self::DryRun => Ok(()),
            Self::Named(writer, _) => writer.write_record(row),
            Self::Beside(writer, _) => writer.write_record(row),
        }
        .context("cannot write the reject file")
    }

    /// Finishes the file; returns its path if there is one.
    pub(super) fn finish(self, has_rows: bool) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::DryRun => Ok(None),
            Self::Named(mut writer, path) => {
                writer.flush().context("cannot write the reject file")?;
                Ok(Some(path))
            }
            Self::Beside(_, _) if !has_rows => Ok(None),
            Self::Beside(writer, input) => {
                let file = writer.into_inner().map_err(csv::IntoInnerError::into_error);
                persist(file.context("cannot write the reject file")?, &input).map(Some)
            }
        }
    }
}

/// Gives the file the first name that is free: `FILE.rejects.csv`, `FILE.rejects-2.csv`, …
fn persist(mut file: NamedTempFile, input: &Path) -> anyhow::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let mut path = OsString::from(input);
        path.push(match number {
            1 => ".rejects.csv".to_owned(),
            number => format!(".rejects-{number}.csv"),
        });
        let path = PathBuf::from(path);
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                file = error.file;
                number += 1;
            }
            Err(error) => {
                // The rows are not lost.
                let (_, kept) = error.file.keep().map_err(|error| error.error)?;
                let kept = kept.display().to_string();
                return Err(error.error)
                    .with_context(|| format!("the rejected rows are in {kept}"));
            }
        }
    }
}
