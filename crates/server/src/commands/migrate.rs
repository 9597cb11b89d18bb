//! `migrate`: apply pending migrations.

use std::io::{self, Write};

use anyhow::Context;

use crate::commands::database::open;
use crate::settings::Settings;
use crate::storage::{explain, is_missing};

/// Applies the pending migrations; creates an embedded database that does not exist. If
/// `accept_file` is set, first accepts a file that was put in the place of the database.
pub(crate) async fn migrate(settings: &Settings, accept_file: bool) -> anyhow::Result<()> {
    let backend = open(settings)?;
    let mut output = io::stdout().lock();
    if accept_file {
        for log in backend.accept_file().await.map_err(explain).context("storage.url")? {
            writeln!(output, "kept a log of another file as {}", log.display())?;
        }
    }
    let is_new = is_missing(&*backend);
    let applied = backend.migrate().await.map_err(explain).context("storage.url")?;
    if let Some(path) = backend.embedded_file().filter(|_| is_new) {
        writeln!(output, "created the database {}", path.display())?;
    }
    for migration in &applied {
        writeln!(output, "applied {migration}")?;
    }
    if applied.is_empty() {
        writeln!(output, "the database is up to date")?;
    }
    Ok(())
}
