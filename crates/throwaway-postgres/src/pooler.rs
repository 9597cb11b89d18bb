//! PgBouncer in front of a server.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use merchant_otp_test_tools::apt_install;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::cluster::{Cluster, Owner, START_TIMEOUT};

const HELP: &str = "PgBouncer is missing: install it, for example by `apt-get install pgbouncer`";

/// A PgBouncer in front of a cluster, stopped when dropped.
pub struct Pooler {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Pooler {
    /// Starts PgBouncer with a `pool_mode`: `session` or `transaction`.
    ///
    /// # Errors
    ///
    /// If PgBouncer is missing and cannot be installed, or does not start.
    pub fn start(cluster: &Cluster, mode: &str) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::Builder::new().prefix("merchant-otp-pgbouncer-").tempdir()?;
        Owner::of_servers()?.take(folder.path())?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {mode}\n",
            cluster.port()
        );
        fs::write(folder.path().join("pgbouncer.ini"), settings)?;
        let process = spawn(folder.path())?;
        let mut pooler = Self { process, port, folder };
        pooler.wait_until_ready()?;
        Ok(pooler)
    }

    /// Kills PgBouncer and starts it again, which breaks every connection.
    ///
    /// # Errors
    ///
    /// If PgBouncer does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(self.folder.path())?;
        self.wait_until_ready()
    }

    /// The URL of a database of the cluster, through the pooler.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("PgBouncer stopped with {status}:\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("PgBouncer does not answer:\n{}", self.log());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // An immediate shutdown.
        if let Ok(pid) = i32::try_from(self.process.id()) {
            let _gone_already = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _status = self.process.wait();
    }
}

/// Starts PgBouncer with the settings in a folder, which also gets its log.
fn spawn(folder: &Path) -> Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    let mut pooler = Owner::of_servers()?.command(&find_or_install()?);
    pooler.arg(folder.join("pgbouncer.ini")).stdout(log.try_clone()?).stderr(log);
    pooler.spawn().context("starting PgBouncer")
}

fn find_or_install() -> Result<PathBuf> {
    if let Some(program) = find() {
        return Ok(program);
    }
    apt_install(&["pgbouncer"], HELP)?;
    find().context(HELP)
}

/// Finds PgBouncer on the PATH or in Debian's folder.
fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}
