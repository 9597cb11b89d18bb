//! Measures the service against its databases and its HTTP library alone.
//!
//! All measurements run on one machine and alternate in rounds, so that a disturbance of the
//! machine affects all of them. `cargo xtask bench` builds the service and runs this program.

mod baselines;
mod load;
mod program;
mod report;
mod service;

use std::fs;
use std::io::{self, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use merchant_otp_throwaway_postgres::{Cluster, Database, program};

use crate::baselines::{EmptyHandler, Pgbench, checkpoint};
use crate::load::{Answered, Load};
use crate::program::run;
use crate::report::Samples;
use crate::service::Service;

const DEVICES: &str = "/instances/shop/private/otp-devices";

/// The prefix of the ids of the devices that exist before the measurements.
const TILL: &str = "till-";

/// Measure the service against its databases and its HTTP library alone.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Arguments {
    /// Number of rounds.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Duration of each measurement, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// What to measure; everything by default.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// The setting `http.workers`; 0 chooses the number automatically.
    #[arg(long, default_value_t = 0)]
    workers: u16,
    /// The setting `storage.token_cache`, in milliseconds.
    #[arg(long, default_value_t = 0)]
    token_cache: u32,
    /// Delay added to each commit of PostgreSQL, in microseconds, up to 100000, to simulate a
    /// network disk (`commit_delay`).
    #[arg(long, default_value_t = 0)]
    commit_delay: u32,
    /// File that receives the result as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    #[arg(long, hide = true)]
    empty_handler: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// PostgreSQL, compared with pgbench and an empty handler.
    Postgres,
    /// SQLite, compared with one insertion per transaction and an empty handler.
    Sqlite,
    /// A million devices, compared with a thousand.
    Flat,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(port) = arguments.empty_handler {
        return baselines::serve_nothing(port);
    }
    load::install()?;
    let folder = tempfile::Builder::new().prefix("merchant-otp-bench-").tempdir()?;
    let delay = arguments.commit_delay.to_string();
    let settings = [("commit_delay", &*delay), ("commit_siblings", "0")];
    let settings = if arguments.commit_delay == 0 { &[][..] } else { &settings };
    let cluster = Cluster::start_with(settings, &[]).context("starting PostgreSQL")?;
    let mut bench =
        Bench { arguments, folder: folder.path(), cluster, samples: Samples::default() };
    if bench.measures(Part::Postgres) || bench.measures(Part::Sqlite) {
        bench.against_baselines()?;
    }
    if bench.measures(Part::Flat) {
        bench.flat()?;
    }
    let about = bench.about()?;
    bench.samples.print(&about)?;
    let json = serde_json::to_string_pretty(&bench.samples.to_json(&about))?;
    fs::write(&bench.arguments.json, json).context("writing the result")
}

struct Bench<'a> {
    arguments: Arguments,
    folder: &'a Path,
    cluster: Cluster,
    samples: Samples,
}

impl Bench<'_> {
    fn measures(&self, part: Part) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    /// Starts the service on a PostgreSQL database with this many thousand devices.
    fn postgres(&self, thousands: u32) -> Result<Filled> {
        let (database, folder) = (Database::create_in(&self.cluster), self.subfolder("postgres")?);
        let service = Service::start(&database.url(), &folder, &self.settings())?;
        add_devices(&service, thousands, &folder)?;
        let numbers = format!("generate_series(1, {thousands} * 1000) AS numbers (n)");
        let mut session = database.session();
        session.batch_execute(&copies(&numbers))?;
        session.batch_execute("VACUUM ANALYZE otp_devices")?;
        Ok(Filled { service, thousands, database: Some(database) })
    }

    /// Starts the service on a SQLite database with this many thousand devices.
    fn sqlite(&self, thousands: u32) -> Result<Filled> {
        let folder = self.subfolder("sqlite")?;
        let path = folder.join("otp.db").display().to_string();
        let service = Service::start(&format!("sqlite:{path}"), &folder, &self.settings())?;
        add_devices(&service, thousands, &folder)?;
        let mut session = SqliteConnection::establish(&path)?;
        session.batch_execute("PRAGMA busy_timeout = 60000")?;
        session.batch_execute(&copies(&format!(
            "(WITH RECURSIVE numbers (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {thousands} * 1000) \
             SELECT n FROM numbers) AS numbers"
        )))?;
        Ok(Filled { service, thousands, database: None })
    }

    /// Measures the time until the first response on a new SQLite database, in milliseconds.
    fn start(&self) -> Result<f64> {
        let folder = self.subfolder("start")?;
        let url = format!("sqlite:{}", folder.join("otp.db").display());
        Ok(Service::start(&url, &folder, &self.settings())?.start.as_secs_f64() * 1e3)
    }

    fn settings(&self) -> [(&'static str, String); 2] {
        let Arguments { workers, token_cache, .. } = self.arguments;
        [("HTTP__WORKERS", workers.to_string()), ("STORAGE__TOKEN_CACHE", token_cache.to_string())]
    }

    fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(self.folder)?;
        Ok(folder.keep())
    }

    fn against_baselines(&mut self) -> Result<()> {
        let (with_postgres, with_sqlite) =
            (self.measures(Part::Postgres), self.measures(Part::Sqlite));
        let (folder, seconds) = (self.folder, self.arguments.seconds);
        let pgbench = Pgbench::new(Database::create_in(&self.cluster))?;
        let empty = EmptyHandler::start()?;
        let postgres = with_postgres.then(|| self.postgres(baselines::ROWS / 1000)).transpose()?;
        let sqlite = with_sqlite.then(|| self.sqlite(baselines::ROWS / 1000)).transpose()?;
        for round in 0..self.arguments.rounds {
            progress(round, "an empty handler");
            let nothing = |connections| {
                Load {
                    port: empty.port,
                    method: "GET",
                    path: "/",
                    token: "-",
                    prefix: "",
                    step: 1,
                    connections,
                    seconds,
                }
                .run(folder)
            };
            self.samples.add("empty handler 64: rate", nothing(64)?.rate);
            self.samples.add("empty handler 256: rate", nothing(256)?.rate);
            if let Some(filled) = &postgres {
                progress(round, "pgbench");
                let insert = pgbench.insert(32, seconds, folder)?;
                self.samples.add("pgbench insert 32: rate", insert.rate);
                self.samples.add("pgbench insert 32: mean ms", insert.latency);
                let insert = pgbench.insert(1, seconds, folder)?;
                self.samples.add("pgbench insert 1: mean ms", insert.latency);
                let select = pgbench.select(32, seconds, folder)?;
                self.samples.add("pgbench select 32: rate", select.rate);
                progress(round, "PostgreSQL");
                let one = self.post(filled, round, 1)?;
                self.samples.add("PostgreSQL POST 1: median ms", one.median);
                let many = self.post(filled, round, 64)?;
                self.samples.add("PostgreSQL POST 64: rate", many.rate);
                self.samples.add("PostgreSQL POST 64: p99 ms", many.p99);
                let more = self.post(filled, round, 256)?;
                self.samples.add("PostgreSQL POST 256: rate", more.rate);
                self.samples.add("PostgreSQL POST 256: p99 ms", more.p99);
                let shown = self.get(filled)?;
                self.samples.add("PostgreSQL GET 64: rate", shown.rate);
                self.samples.add("PostgreSQL GET 64: p99 ms", shown.p99);
            }
            if let Some(filled) = &sqlite {
                progress(round, "SQLite");
                let insertions = baselines::sqlite_insertions(folder, seconds)?;
                self.samples.add("SQLite insert: rate", insertions);
                let one = self.post(filled, round, 1)?;
                self.samples.add("SQLite POST 1: median ms", one.median);
                let many = self.post(filled, round, 64)?;
                self.samples.add("SQLite POST 64: rate", many.rate);
                self.samples.add("SQLite POST 64: p99 ms", many.p99);
                let more = self.post(filled, round, 256)?;
                self.samples.add("SQLite POST 256: rate", more.rate);
                let shown = self.get(filled)?;
                self.samples.add("SQLite GET 64: rate", shown.rate);
                self.samples.add("SQLite GET 64: p99 ms", shown.p99);
                self.samples.add("SQLite: start ms", self.start()?);
            }
        }
        if let Some(Filled { service, .. }) = &postgres {
            self.samples.add("PostgreSQL: peak MiB", mib(service.peak_memory()?));
        }
        if let Some(Filled { service, .. }) = &sqlite {
            self.samples.add("SQLite: peak MiB", mib(service.peak_memory()?));
        }
        Ok(())
    }

    /// Compares a million devices with a thousand.
    fn flat(&mut self) -> Result<()> {
        let (thousand, million) = (self.postgres(1)?, self.postgres(1000)?);
        let (small, large) = (self.sqlite(1)?, self.sqlite(1000)?);
        // Look-ups first, because registrations change the number of devices.
        for round in 0..self.arguments.rounds {
            progress(round, "looking up among a million devices");
            for (filled, name) in [
                (&thousand, "PostgreSQL thousand GET 64: rate"),
                (&million, "PostgreSQL million GET 64: rate"),
                (&small, "SQLite thousand GET 64: rate"),
                (&large, "SQLite million GET 64: rate"),
            ] {
                let shown = self.get(filled)?;
                self.samples.add(name, shown.rate);
            }
        }
        for round in 0..self.arguments.rounds {
            progress(round, "registering one beside a million devices");
            for (filled, name) in [
                (&thousand, "PostgreSQL thousand POST 64: rate"),
                (&million, "PostgreSQL million POST 64: rate"),
                (&small, "SQLite thousand POST 64: rate"),
                (&large, "SQLite million POST 64: rate"),
            ] {
                let posted = self.post(filled, round, 64)?;
                self.samples.add(name, posted.rate);
            }
            let names = [
                (
                    &million,
                    "PostgreSQL million list: first byte ms",
                    "PostgreSQL million list: added MiB",
                ),
                (&large, "SQLite million list: first byte ms", "SQLite million list: added MiB"),
            ];
            for (Filled { service, .. }, first_byte, added) in names {
                let before = service.peak_memory()?;
                let (_, first) = service.get(DEVICES)?;
                self.samples.add(first_byte, first.as_secs_f64() * 1e3);
                self.samples.add(added, mib(service.peak_memory()? - before));
            }
        }
        Ok(())
    }

    fn post(&self, filled: &Filled, round: u32, connections: u16) -> Result<Answered> {
        // Unique per measurement, so that no id is used twice.
        let prefix = format!("{round}-{connections}-");
        if let Some(database) = &filled.database {
            checkpoint(database)?;
        }
        let load = Load { method: "POST", path: DEVICES, connections, ..self.load(filled) };
        Load { prefix: &prefix, ..load }.run(self.folder)
    }

    fn get(&self, filled: &Filled) -> Result<Answered> {
        let path = format!("{DEVICES}/");
        Load { method: "GET", path: &path, prefix: TILL, ..self.load(filled) }.run(self.folder)
    }

    fn load<'a>(&self, Filled { service, thousands, .. }: &'a Filled) -> Load<'a> {
        Load {
            port: service.port,
            method: "GET",
            path: "/",
            token: &service.token,
            prefix: "",
            step: *thousands,
            connections: 64,
            seconds: self.arguments.seconds,
        }
    }

    /// Describes the machine, the versions and the settings of the measurements.
    fn about(&self) -> Result<Vec<(&'static str, String)>> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| line.strip_prefix("model name\t: "));
        let count = std::thread::available_parallelism()?;
        let line = |command: &mut Command| {
            run(command).map(|text| text.lines().next().unwrap_or_default().to_owned())
        };
        let Arguments { rounds, seconds, workers, token_cache, commit_delay, .. } = &self.arguments;
        Ok(vec![
            ("machine", format!("{count} × {}", model.unwrap_or("unknown"))),
            ("system", line(Command::new("uname").args(["-sr"]))?),
            ("service", line(Command::new(service::program()?).arg("--version"))?),
            ("PostgreSQL", line(Command::new(program("postgres")?).arg("--version"))?),
            ("rounds", format!("{rounds}, of {seconds} s each; medians")),
            (
                "settings",
                format!(
                    "workers {workers}, token_cache {token_cache}; commits delayed by {commit_delay} µs"
                ),
            ),
        ])
    }
}

/// Reports progress on standard error.
fn progress(round: u32, what: &str) {
    let _stderr_closed = writeln!(io::stderr(), "round {}: {what}", round + 1);
}

/// The service on a database with devices.
struct Filled {
    service: Service,
    /// The number of devices, in thousands; they are numbered from 1. A thousand of them can be
    /// read: those whose numbers are multiples of this value.
    thousands: u32,
    database: Option<Database>,
}

/// Registers a thousand devices, whose numbers are the multiples of `thousands`.
fn add_devices(service: &Service, thousands: u32, folder: &Path) -> Result<()> {
    let header = "otp_device_id,otp_device_description,otp_key\n".to_owned();
    let row = |number| {
        let id = format!("{TILL}{}", number * thousands);
        format!("{id},Till at the door,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n")
    };
    let csv: String = iter::once(header).chain((1..=1000).map(row)).collect();
    let file = folder.join("devices.csv");
    fs::write(&file, csv)?;
    let file = file.display().to_string();
    service.command(&["device", "import", "--instance", "shop", &file]).map(|_| ())
}

/// Returns the statement that adds copies of one device with the other numbers of a table
/// expression. The keys of the copies cannot be opened, because they are sealed for another id.
fn copies(numbers: &str) -> String {
    format!(
        "INSERT INTO otp_devices (instance_id, device_id, description, sealed_key, algorithm, counter) \
         SELECT instance_id, '{TILL}' || n, description, sealed_key, algorithm, counter \
         FROM otp_devices CROSS JOIN {numbers} \
         WHERE device_id = (SELECT min(device_id) FROM otp_devices) ON CONFLICT DO NOTHING"
    )
}

#[expect(clippy::cast_precision_loss, reason = "less than 2^52 KiB")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
