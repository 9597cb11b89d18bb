//! `migrate`: apply pending migrations.

use std::io::{self, Write};

use anyhow::Context;

use crate::commands::database::open;
use crate::settings::Settings;

/// Applies the pending migrations.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let applied = open(settings)?.migrate().await.context("storage.url")?;
    let mut output = io::stdout().lock();
    for migration in &applied {
        writeln!(output, "applied {migration}")?;
    }
    if applied.is_empty() {
        writeln!(output, "the database is up to date")?;
    }
    Ok(())
}
