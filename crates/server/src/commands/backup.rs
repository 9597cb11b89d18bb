use std::io::{self, Write};
use std::path::Path;

use crate::settings::Settings;
use crate::storage::Database;

/// Copies the embedded database to a new file.
pub(crate) async fn backup(settings: &Settings, to: &Path) -> anyhow::Result<()> {
    Database::new(&settings.storage)?.back_up(to).await?;
    writeln!(
        io::stdout(),
        "copied the database to {}; its master key is not in it, and belongs elsewhere",
        to.display()
    )?;
    Ok(())
}

/// Makes the embedded database of a copy.
pub(crate) async fn restore(settings: &Settings, from: &Path) -> anyhow::Result<()> {
    let database = Database::new(&settings.storage)?;
    database.restore(from).await?;
    database.migrate().await?;
    writeln!(
        io::stdout(),
        "restored the database; `merchant-otp key status` shows which master keys it needs"
    )?;
    Ok(())
}
