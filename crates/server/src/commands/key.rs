//! `key`: manage master keys.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use merchant_otp_application::{MasterKeyUse, Service, UnopenedKey};
use merchant_otp_sealing::MasterKey;

use crate::command_line::KeyCommand;
use crate::commands::database::{Use, opening_service};
use crate::commands::explain::explain;
use crate::master_key_files;
use crate::settings::Settings;
use crate::text::one_line;

pub(crate) async fn key(settings: &Settings, command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Generate { file } => generate(file.as_deref()),
        KeyCommand::Status => status(&opening_service(settings, Use::Read).await?).await,
        KeyCommand::Rotate => rotate(&opening_service(settings, Use::Change).await?).await,
    }
}

/// Generates a master key.
pub(crate) fn generate(file: Option<&Path>) -> anyhow::Result<()> {
    let key = MasterKey::generate().context("cannot get random bytes")?;
    let mut output = io::stdout().lock();
    match file {
        None => writeln!(output, "{}", *key.to_base64())?,
        Some(path) => {
            let created = master_key_files::write_file(path, &key)?;
            ensure!(created, "{}: the file already exists and was not changed", path.display());
            writeln!(output, "created the master key {} in {}", key.id(), path.display())?;
        }
    }
    Ok(output.flush()?)
}

/// Shows the master keys and the number of keys that each sealed. Reports the keys that do not open
/// on standard error.
async fn status(service: &Service) -> anyhow::Result<()> {
    let uses = service.master_key_uses().await.map_err(explain)?;
    let mut output = io::stdout().lock();
    writeln!(output, "MASTER KEY\tSTATE\tDEVICES")?;
    for MasterKeyUse { id, is_available, seals, devices } in uses {
        let state = match (is_available, seals) {
            (_, true) => "seals",
            (true, false) => "opens",
            (false, false) => "missing",
        };
        writeln!(output, "{id}\t{state}\t{devices}")?;
    }
    output.flush()?;
    let report = |unopened| {
        let _only_a_report = write_unopened(&unopened);
    };
    let check = service.check_keys(Duration::ZERO, report).await.map_err(explain)?;
    if check.not_opened > 0 {
        writeln!(io::stderr(), "{} of {} keys cannot be opened", check.not_opened, check.checked)?;
    }
    Ok(())
}

fn write_unopened(unopened: &UnopenedKey) -> io::Result<()> {
    let (instance, device) = (one_line(&unopened.instance), one_line(&unopened.device));
    writeln!(io::stderr(), "cannot be opened: {instance} {device}")
}

async fn rotate(service: &Service) -> anyhow::Result<()> {
    let is_terminal = io::stderr().is_terminal();
    let rotation = service.rotate_master_key(|rotation| {
        if is_terminal {
            let (checked, again) = (rotation.checked, rotation.resealed);
            let _only_progress = write!(io::stderr(), "\rchecked {checked}, re-sealed {again}");
        }
    });
    let rotation = rotation.await.map_err(explain)?;
    if is_terminal {
        writeln!(io::stderr())?;
    }
    let mut output = io::stdout().lock();
    writeln!(output, "checked {} device keys, re-sealed {}", rotation.checked, rotation.resealed)?;
    for unopened in &rotation.first_not_opened {
        write_unopened(unopened)?;
    }
    if rotation.not_opened > 0 {
        bail!(
            "{} keys cannot be opened and were not changed; `merchant-otp key status` shows all of \
             them; do not remove a master key before their devices are removed or registered again",
            rotation.not_opened
        );
    }
    let former = service.master_key_uses().await.map_err(explain)?;
    let former: Vec<_> =
        former.iter().filter(|one| !one.seals).map(|one| one.id.to_string()).collect();
    if former.is_empty() {
        writeln!(
            output,
            "all device keys are sealed with the first master key; the others may be removed if \
             every server process was restarted after it became the first"
        )?;
    } else {
        writeln!(
            output,
            "these master keys are still needed, because they sealed keys during the rotation: {}; \
             restart every server process, and run the command again",
            former.join(", ")
        )?;
    }
    Ok(())
}
