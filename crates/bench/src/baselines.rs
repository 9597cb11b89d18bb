//! The baselines: the databases and the HTTP library without the service.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};
use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
use merchant_otp_throwaway_postgres::{Database, program};

use crate::program::run;
use crate::service::free_port;

/// A table like that of the devices, without a foreign key.
const TABLE: &str = "CREATE TABLE baseline (
    instance_id TEXT NOT NULL, device_id TEXT NOT NULL, description TEXT NOT NULL,
    sealed_key BYTEA NOT NULL, algorithm SMALLINT NOT NULL, counter BIGINT NOT NULL,
    PRIMARY KEY (instance_id, device_id))";

/// The key of each row, as long as a sealed key.
const KEY: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\
                   2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041424344";

/// The number of rows that a select chooses from, which is also the number of devices.
pub(crate) const ROWS: u32 = 100_000;

/// pgbench with its own database.
pub(crate) struct Pgbench {
    database: Database,
}

/// The result of pgbench.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transactions {
    /// Transactions per second.
    pub(crate) rate: f64,
    /// The mean latency, in milliseconds.
    pub(crate) latency: f64,
}

impl Pgbench {
    pub(crate) fn new(database: Database) -> Result<Self> {
        let mut session = database.session();
        session.batch_execute(TABLE)?;
        session.batch_execute(&format!(
            "INSERT INTO baseline SELECT 'shop', 'till ' || n, 'Till at the door', '\\x{KEY}', 1, 0
             FROM generate_series(1, {ROWS}) AS n"
        ))?;
        session.batch_execute("VACUUM ANALYZE baseline")?;
        Ok(Self { database })
    }

    /// Measures transactions with one durable insertion each.
    pub(crate) fn insert(&self, clients: u16, seconds: u64, folder: &Path) -> Result<Transactions> {
        let sql = format!(
            "\\set number random(1, 1000000000000)\n\
             INSERT INTO baseline VALUES ('shop', 'device ' || :number, 'Till at the door', \
             '\\x{KEY}', 1, 0) ON CONFLICT DO NOTHING;\n"
        );
        checkpoint(&self.database)?;
        self.run(&sql, clients, seconds, folder)
    }

    /// Measures transactions with one look-up by primary key each.
    pub(crate) fn select(&self, clients: u16, seconds: u64, folder: &Path) -> Result<Transactions> {
        let sql = format!(
            "\\set number random(1, {ROWS})\n\
             SELECT description, sealed_key, algorithm, counter FROM baseline \
             WHERE instance_id = 'shop' AND device_id = 'till ' || :number;\n"
        );
        self.run(&sql, clients, seconds, folder)
    }

    fn run(&self, sql: &str, clients: u16, seconds: u64, folder: &Path) -> Result<Transactions> {
        let script = folder.join("pgbench.sql");
        fs::write(&script, sql)?;
        let output = run(Command::new(program("pgbench")?)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--file"])
            .arg(&script)
            .arg(format!("--client={clients}"))
            .arg(format!("--time={seconds}"))
            .arg(self.database.url()))?;
        let number = |name: &str| {
            let line =
                output.lines().find_map(|line| line.strip_prefix(name)).context("pgbench")?;
            let number = line.split_whitespace().next().context("pgbench")?;
            anyhow::Ok(number.parse()?)
        };
        Ok(Transactions { rate: number("tps = ")?, latency: number("latency average = ")? })
    }
}

/// Lets the server reuse the files of its log, as a server does that has been running for longer.
/// Creating a new file of 16 MiB takes a while, during which all commits wait.
pub(crate) fn checkpoint(database: &Database) -> Result<()> {
    Ok(database.session().batch_execute("CHECKPOINT")?)
}

/// Measures insertions per second into a SQLite file, each in a durable transaction.
pub(crate) fn sqlite_insertions(folder: &Path, seconds: u64) -> Result<f64> {
    let file = tempfile::Builder::new().prefix("baseline").tempdir_in(folder)?;
    let path = file.path().join("baseline.db");
    let mut connection = SqliteConnection::establish(&path.display().to_string())?;
    connection.batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    connection.batch_execute(&format!("{} WITHOUT ROWID", TABLE.replace("BYTEA", "BLOB")))?;
    let insert = sql_query(format!(
        "INSERT INTO baseline VALUES ('shop', 'device ' || random(), 'Till at the door', x'{KEY}', 1, 0)
         ON CONFLICT DO NOTHING"
    ));
    let (begin, mut inserted) = (Instant::now(), 0.0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        insert.clone().execute(&mut connection)?;
        inserted += 1.0;
    }
    Ok(inserted / begin.elapsed().as_secs_f64())
}

/// A server of the HTTP library with an empty handler, in its own process.
pub(crate) struct EmptyHandler {
    process: Child,
    pub(crate) port: u16,
}

impl EmptyHandler {
    /// Starts this program as another process, which calls [`serve_nothing`].
    pub(crate) fn start() -> Result<Self> {
        let port = free_port()?;
        let process = Command::new(std::env::current_exe()?)
            .args(["--empty-handler", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()?;
        sleep(Duration::from_millis(500));
        Ok(Self { process, port })
    }
}

impl Drop for EmptyHandler {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _gone_already = self.process.wait();
    }
}

/// Serves an empty handler, which answers every request with 204.
pub(crate) fn serve_nothing(port: u16) -> Result<()> {
    let app = || App::new().default_service(web::to(async || HttpResponse::NoContent().finish()));
    let server = HttpServer::new(app).bind(("127.0.0.1", port))?.run();
    Ok(actix_web::rt::System::new().block_on(server)?)
}
