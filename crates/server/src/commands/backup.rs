//! `backup` and `restore`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

use crate::commands::database::open;
use crate::settings::Settings;
use crate::storage::explain;

/// Copies the embedded database to a new file.
pub(crate) async fn backup(settings: &Settings, to: &Path) -> anyhow::Result<()> {
    open(settings)?.back_up(to).await.map_err(explain).with_context(|| to.display().to_string())?;
    writeln!(
        io::stdout(),
        "copied the database to {}; back up its master key separately",
        to.display()
    )?;
    Ok(())
}

/// Restores the embedded database from a copy.
pub(crate) async fn restore(settings: &Settings, from: &Path) -> anyhow::Result<()> {
    let backend = open(settings)?;
    let what = || match backend.embedded_file() {
        Some(file) => format!("{} from {}", file.display(), from.display()),
        None => from.display().to_string(),
    };
    backend.restore(from).await.map_err(explain).with_context(what)?;
    backend.migrate().await.map_err(explain).context("storage.url")?;
    writeln!(
        io::stdout(),
        "restored the database; `merchant-otp key status` shows the master keys that it needs"
    )?;
    Ok(())
}
