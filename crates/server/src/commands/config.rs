//! `config`: print the effective settings.

use std::io::{self, Write};

use crate::settings::Settings;

/// Prints the effective settings, without secrets.
pub(crate) fn config(settings: &Settings) -> anyhow::Result<()> {
    write!(io::stdout(), "{}", toml::to_string(settings)?)?;
    Ok(())
}
