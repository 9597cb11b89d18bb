//! `device import`: register the devices of a file.

mod input;
mod registration;
mod rejects;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use merchant_otp_device_files::{Entry, Fields, KeyFormat, Place};
use merchant_otp_domain::OtpDevice;
use zeroize::Zeroizing;

use self::registration::{BATCH, Registration};
use self::rejects::Rejects;
use crate::command_line::ImportArgs;
use crate::commands::database::{checking_service, sealing_service};
use crate::settings::Settings;
use crate::text::one_line;

/// The number of rejected rows and of warnings that are shown. The reject file has all rows.
const MAX_SHOWN: u64 = 100;

const CONFLICT: &str = "a device with this id and other details exists";

/// Imports a file. A dry run has the counts, the messages and the status of a run, and writes
/// nothing.
///
/// # Errors
///
/// If the file cannot be read, if the file for rejected rows exists or cannot be created, or if a
/// row was rejected.
pub(super) async fn import(settings: &Settings, arguments: &ImportArgs) -> anyhow::Result<()> {
    let file = input::devices(arguments)?;
    let name = input::name(&arguments.file);
    let rejects = Rejects::open(arguments)?;
    for warning in file.warnings.iter().take(usize::try_from(MAX_SHOWN)?) {
        writeln!(io::stderr(), "{name}: warning: {}", one_line(&warning.to_string()))?;
    }
    if !confirm(arguments, &file.entries)? {
        bail!("nothing is registered");
    }
    let service = if arguments.dry_run {
        checking_service(settings).await?
    } else {
        sealing_service(settings).await?
    };
    let instance = &arguments.instance.instance;
    let registration = Registration::new(service, instance, arguments.dry_run).await?;
    let (accepted, rejected) = (0, 0);
    let mut import = Import { arguments, name, registration, rejects, accepted, rejected };
    let result = import.run(&file.entries).await;
    import.finish(file.entries.len(), result)
}

/// Asks on a terminal whether the devices are to be registered.
fn confirm(arguments: &ImportArgs, entries: &[Entry]) -> anyhow::Result<bool> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if arguments.yes || arguments.dry_run || !can_ask {
        return Ok(true);
    }
    let devices = entries.iter().filter(|entry| entry.outcome.is_ok()).count();
    let instance = &arguments.instance.instance;
    write!(
        io::stderr(),
        "Register {devices} of {} entries with the instance {instance}? [y/N] ",
        entries.len()
    )?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

struct Import<'a> {
    arguments: &'a ImportArgs,
    /// The name of the input in messages.
    name: String,
    registration: Registration,
    rejects: Rejects,
    accepted: u64,
    rejected: u64,
}

impl Import<'_> {
    async fn run(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = interrupted.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
        });
        let shows_progress = io::stderr().is_terminal() && entries.len() > BATCH;
        for batch in entries.chunks(BATCH) {
            if interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            self.batch(batch).await?;
            if shows_progress {
                let done = self.accepted + self.rejected;
                write!(io::stderr(), "\r{done} of {} rows", entries.len())?;
            }
        }
        if shows_progress {
            writeln!(io::stderr())?;
        }
        Ok(())
    }

    async fn batch(&mut self, batch: &[Entry]) -> anyhow::Result<()> {
        let devices: Vec<&OtpDevice> =
            batch.iter().filter_map(|entry| entry.outcome.as_ref().ok()).collect();
        let mut outcomes = Vec::with_capacity(devices.len());
        let registered = self.registration.register(&devices, &mut outcomes).await;
        if let Err(error) = registered {
            self.accepted +=
                outcomes.iter().filter(|registered| **registered).map(|_| 1).sum::<u64>();
            return Err(error);
        }
        let mut outcomes = outcomes.into_iter();
        for entry in batch {
            match &entry.outcome {
                Ok(device) => match outcomes.next() {
                    Some(false) => {
                        let fields = self.fields(device);
                        self.reject(&fields, &entry.place, &entry.place, CONFLICT)?;
                    }
                    _ => self.accepted += 1,
                },
                Err(row) => {
                    self.reject(&row.fields, &entry.place, &row.place, &row.to_string())?;
                }
            }
        }
        Ok(())
    }

    fn reject(
        &mut self,
        fields: &Fields,
        entry: &Place,
        place: &Place,
        reason: &str,
    ) -> anyhow::Result<()> {
        self.rejected += 1;
        if self.rejected <= MAX_SHOWN {
            let place = one_line(&place.to_string());
            writeln!(io::stderr(), "{}: {place}: {reason}", self.name)?;
        }
        self.rejects.add(fields, entry, reason)
    }

    /// The fields of a device as the options of this import read them: without the prefix of ids,
    /// and with the key in the format of the options.
    fn fields(&self, device: &OtpDevice) -> Fields {
        let mut fields = Fields::of(device);
        let id = device.id().as_str();
        let id = id.strip_prefix(&self.arguments.id_prefix).unwrap_or(id);
        fields.id = Zeroizing::new(id.to_owned());
        if self.arguments.key_format.map(KeyFormat::from) == Some(KeyFormat::Hex) {
            let digits = device.key().expose_bytes().iter().map(|byte| format!("{byte:02x}"));
            fields.key = Zeroizing::new(digits.collect());
        }
        fields
    }

    /// Reports the counts, also of an import that failed or was interrupted.
    fn finish(self, entries: usize, result: anyhow::Result<()>) -> anyhow::Result<()> {
        let Self { accepted, rejected, arguments, .. } = self;
        let path = self.rejects.finish(rejected > 0)?;
        let done = if arguments.dry_run { "can be registered" } else { "are registered" };
        writeln!(io::stdout(), "{accepted} rows {done}, {rejected} are rejected")?;
        if let Err(error) = result {
            let rest = u64::try_from(entries)?.saturating_sub(accepted + rejected);
            return Err(error.context(format!("{rest} rows are not done; import the file again")));
        }
        if accepted > 0 {
            writeln!(
                io::stderr(),
                "The devices must show 8 digits, new every 30 s (SHA-1). Compare a code."
            )?;
        }
        match path {
            _ if rejected == 0 => Ok(()),
            Some(path) => {
                bail!("{rejected} rows are rejected; see {} for the reasons", path.display())
            }
            None => bail!("{rejected} rows are rejected"),
        }
    }
}
