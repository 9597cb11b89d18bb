//! `device import`: register the devices of a file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use csv::{ByteRecord, ReaderBuilder, Writer};
use merchant_otp_application::operator::Operator;
use merchant_otp_application::{Error, Grant, Service};
use merchant_otp_domain::{
    InstanceId, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey,
    Permission,
};

use crate::commands::explain::explain;

const ID: &str = "otp_device_id";
const DESCRIPTION: &str = "otp_device_description";
const KEY: &str = "otp_key";
const ALGORITHM: &str = "otp_algorithm";
const COUNTER: &str = "otp_ctr";

/// The columns that a file may have, and whether each is required.
const COLUMNS: [(&str, bool); 5] =
    [(ID, true), (DESCRIPTION, true), (KEY, true), (ALGORITHM, false), (COUNTER, false)];

/// The number of rows between two updates of the progress.
const PROGRESS: u64 = 1000;

/// Registers the devices of a file, through the same use case as an HTTP request.
pub(super) struct Import<'a> {
    service: &'a Service,
    read: Grant,
    write: Grant,
    dry_run: bool,
}

/// The outcome of a row.
enum Outcome {
    Accepted,
    /// The row is not registered; the reason does not contain its key.
    Rejected(String),
}

impl<'a> Import<'a> {
    pub(super) async fn new(
        service: &'a Service,
        instance: &InstanceId,
        dry_run: bool,
    ) -> anyhow::Result<Self> {
        let grant = async |permission| {
            Operator::of(service).grant(instance, permission).await.map_err(explain)
        };
        let read = grant(Permission::OtpDevicesRead).await?;
        let write = grant(Permission::OtpDevicesWrite).await?;
        Ok(Self { service, read, write, dry_run })
    }

    /// Imports a file. A dry run writes nothing: it reports the rejected rows on standard error.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, if the file for rejected rows exists, or if a row was rejected.
    pub(super) async fn run(&self, file: &Path, rejects: Option<PathBuf>) -> anyhow::Result<()> {
        let rejects_path = rejects.unwrap_or_else(|| default_rejects(file));
        if rejects_path.symlink_metadata().is_ok() {
            bail!("{}: the file already exists and was not changed", rejects_path.display());
        }
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .from_path(file)
            .with_context(|| file.display().to_string())?;
        let header = reader.byte_headers().context("cannot read the first line")?.clone();
        let columns = Columns::of(&header)?;
        let mut rejects: Option<Writer<File>> = None;
        let (mut accepted, mut rejected) = (0_u64, 0_u64);

        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).context("cannot read the file")? {
            match self.import(&columns, &header, &record).await? {
                Outcome::Accepted => accepted += 1,
                Outcome::Rejected(reason) if self.dry_run => {
                    rejected += 1;
                    let line = record.position().map_or(0, csv::Position::line);
                    writeln!(io::stderr(), "line {line}: {reason}")?;
                }
                Outcome::Rejected(reason) => {
                    rejected += 1;
                    let writer = match &mut rejects {
                        Some(writer) => writer,
                        none => none.insert(create_rejects(&rejects_path, &header)?),
                    };
                    // The reason of an earlier import is dropped.
                    let fields = record.iter().enumerate();
                    let fields = fields.filter(|(n, _)| header.get(*n) != Some(REASON.as_bytes()));
                    let row = fields.map(|(_, field)| field).chain([reason.as_bytes()]);
                    writer.write_record(row).context("cannot write the reject file")?;
                }
            }
            if (accepted + rejected) % PROGRESS == 0 && io::stderr().is_terminal() {
                write!(io::stderr(), "\r{} rows, {rejected} rejected", accepted + rejected)?;
            }
        }
        if io::stderr().is_terminal() && accepted + rejected >= PROGRESS {
            writeln!(io::stderr())?;
        }
        if let Some(writer) = &mut rejects {
            writer.flush().context("cannot write the reject file")?;
        }
        let done = if self.dry_run { "can be registered" } else { "are registered" };
        writeln!(io::stdout(), "{accepted} rows {done}, {rejected} are rejected")?;
        match rejects {
            Some(_) => {
                bail!(
                    "{rejected} rows are rejected; see {} for the reasons",
                    rejects_path.display()
                )
            }
            None if rejected > 0 => bail!("{rejected} rows would be rejected"),
            None => Ok(()),
        }
    }

    async fn import(
        &self,
        columns: &Columns,
        header: &ByteRecord,
        record: &ByteRecord,
    ) -> anyhow::Result<Outcome> {
        if record.len() != header.len() {
            let (has, expected) = (record.len(), header.len());
            return Ok(Outcome::Rejected(format!("{has} fields, expected {expected}")));
        }
        let device = match columns.device(record) {
            Ok(device) => device,
            Err(reason) => return Ok(Outcome::Rejected(reason)),
        };
        let registered = if self.dry_run {
            self.check_device(device).await
        } else {
            self.service.add_otp_device(&self.write, device).await
        };
        match registered {
            Ok(()) => Ok(Outcome::Accepted),
            Err(Error::OtpDeviceConflict) => Ok(Outcome::Rejected(format!(
                "{ID}: a device with this id and other details exists"
            ))),
            Err(error) => Err(explain(error)),
        }
    }

    async fn check_device(&self, device: OtpDevice) -> Result<(), Error> {
        match self.service.otp_device(&self.read, device.id(), None, None).await {
            Ok(existing) if existing.device != device => Err(Error::OtpDeviceConflict),
            Ok(_) | Err(Error::OtpDeviceUnknown) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The first name of these that no file has: `FILE.rejects.csv`, `FILE.rejects-2.csv`, …
fn default_rejects(file: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let mut path = OsString::from(file);
        path.push(if number == 1 {
            ".rejects.csv".to_owned()
        } else {
            format!(".rejects-{number}.csv")
        });
        let path = PathBuf::from(path);
        if path.symlink_metadata().is_err() {
            return path;
        }
        number += 1;
    }
}

/// Creates the reject file. Only its owner can read it, because it contains keys.
fn create_rejects(path: &Path, header: &ByteRecord) -> anyhow::Result<Writer<File>> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.with_context(|| path.display().to_string())?;
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
    let header = header.iter().filter(|name| *name != REASON.as_bytes());
    writer
        .write_record(header.chain([REASON.as_bytes()]))
        .context("cannot write the reject file")?;
    Ok(writer)
}

/// The column that a reject file adds. It is ignored when the file is imported again.
const REASON: &str = "reason";

/// Positions of the columns in a row.
struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn of(header: &ByteRecord) -> anyhow::Result<Self> {
        let position = |name: &str| header.iter().position(|column| column == name.as_bytes());
        for (number, column) in (1_u32..).zip(header) {
            let known = COLUMNS.iter().any(|(name, _)| name.as_bytes() == column);
            if !known && column != REASON.as_bytes() {
                // Not quoted: in a file without a header, it may be a key.
                bail!(
                    "column {number} of the first line is unknown; the first line must name the \
                     columns: {}",
                    COLUMNS.map(|(name, _)| name).join(", ")
                );
            }
        }
        for (name, needed) in COLUMNS {
            if needed && position(name).is_none() {
                bail!("the first line has no column {name}");
            }
        }
        Ok(Self(COLUMNS.map(|(name, _)| position(name))))
    }

    /// Parses the device of a row; the error names the invalid column and the reason.
    fn device(&self, record: &ByteRecord) -> Result<OtpDevice, String> {
        let [id, description, key, algorithm, counter] = self.0;
        let id = parse(record, ID, id, |text| OtpDeviceId::parse(text))?;
        let description =
            parse(record, DESCRIPTION, description, |text| OtpDeviceDescription::parse(text))?;
        let key = parse(record, KEY, key, OtpKey::from_base32)?;
        let algorithm = parse(record, ALGORITHM, algorithm, |text| match text {
            "" => Ok(OtpAlgorithm::TotpWithoutPrice),
            _ => match text.parse() {
                Ok(number) => OtpAlgorithm::from_number(number),
                Err(_) => OtpAlgorithm::from_name(text),
            },
        })?;
        let counter = parse(record, COUNTER, counter, |text| match text {
            "" => Ok(OtpCounter::default()),
            // Text that is not a number becomes -1, which is not a valid counter.
            _ => OtpCounter::new(text.parse().unwrap_or(-1)),
        })?;
        OtpDevice::new(id, description, key, algorithm, counter)
            .map_err(|error| format!("{KEY}: {error}"))
    }
}

fn parse<T, E: std::error::Error>(
    record: &ByteRecord,
    name: &str,
    column: Option<usize>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, String> {
    let bytes = column.and_then(|column| record.get(column)).unwrap_or_default();
    let text = str::from_utf8(bytes).map_err(|_| format!("{name}: must be UTF-8"))?;
    parse(text).map_err(|error| format!("{name}: {error}"))
}
