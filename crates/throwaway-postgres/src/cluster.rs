//! A PostgreSQL server for tests.

use std::env;
use std::fs;
use std::iter;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

use crate::binaries;

/// How long a cluster, or a pooler in front of it, may take to accept connections.
pub(crate) const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A running server with its own data folder, stopped and removed when dropped.
///
/// It accepts connections as `postgres` without a password: over a socket in a folder that only the
/// user of the server may enter, and, for every user of the machine, over a free port of 127.0.0.1.
pub struct Cluster {
    server: Child,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
}

impl Cluster {
    /// Starts a cluster with the server's defaults, except that it accepts 400 connections and that
    /// `fsync` is off for speed: its data does not survive a crash of the machine.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is missing and cannot be installed, or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&[("fsync", "off"), ("max_connections", "400")], &[])
    }

    /// Starts a cluster with the given settings and the given files in its data folder.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is missing and cannot be installed, or does not start.
    pub fn start_with(settings: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Self> {
        Self::start_in(&env::temp_dir(), settings, files)
    }

    /// Starts a cluster with its data below a given folder, which every user must be able to enter.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is missing and cannot be installed, or does not start.
    pub fn start_in(
        folder: &Path,
        settings: &[(&str, &str)],
        files: &[(&str, &str)],
    ) -> Result<Self> {
        let binaries = binaries::find_or_install()?;
        let folder = tempfile::Builder::new().prefix("merchant-otp-pg-").tempdir_in(folder)?;
        let owner = Owner::of_servers()?;
        owner.take(folder.path())?;

        let data = folder.path().join("data");
        let initdb = owner
            .command(&binaries.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"])
            // Not the locale C: a statement that relies on byte order must request it explicitly.
            .args(["--locale=C", "--locale-provider=icu", "--icu-locale=en-US", "--pgdata"])
            .arg(&data)
            .output()
            .context("starting initdb")?;
        ensure!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        for (name, contents) in files {
            let path = data.join(name);
            fs::write(&path, contents)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            owner.take(&path)?;
        }

        let settings = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self::on(folder, settings)
    }

    /// Starts a standby that follows this cluster, with the same settings.
    ///
    /// # Errors
    ///
    /// If the standby does not start.
    pub fn standby(&self) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("merchant-otp-pg-").tempdir()?;
        let owner = Owner::of_servers()?;
        owner.take(folder.path())?;
        let backup = owner
            .command(&binaries::find_or_install()?.join("pg_basebackup"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--username=postgres", "--host"])
            .arg(self.folder.path())
            .args(["--port", &self.port.to_string(), "--pgdata"])
            .arg(folder.path().join("data"))
            .output()
            .context("starting pg_basebackup")?;
        let errors = String::from_utf8_lossy(&backup.stderr);
        ensure!(backup.status.success(), "pg_basebackup: {errors}");
        Self::on(folder, self.settings.clone())
    }

    /// Starts a server on the existing data in a folder.
    fn on(folder: TempDir, settings: Vec<String>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = spawn(folder.path(), port, &settings)?;
        let mut cluster = Self { server, folder, port, settings };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// Kills all processes of the server at once, like a crash.
    pub fn crash(&mut self) {
        self.signal_all(Signal::SIGKILL);
        let _status = self.server.wait();
    }

    /// Stops the server as an operator does, with a fast shutdown that closes all connections.
    pub fn stop(&mut self) {
        if let Ok(pid) = i32::try_from(self.server.id()) {
            let _gone_already = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        let _status = self.server.wait();
    }

    /// Starts the server again on its data, after a stop or a crash.
    ///
    /// # Errors
    ///
    /// If the server does not start.
    pub fn start_again(&mut self) -> Result<()> {
        self.server = spawn(self.folder.path(), self.port, &self.settings)?;
        self.wait_until_ready()
    }

    /// Makes replication synchronous: from then on, a commit is acknowledged only after a standby
    /// has confirmed it.
    ///
    /// # Errors
    ///
    /// If no standby is connected within a minute.
    pub fn enable_synchronous_replication(&self) -> Result<()> {
        let mut session = postgres::Client::connect(&self.url("postgres"), postgres::NoTls)?;
        session.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        session.batch_execute("SELECT pg_reload_conf()")?;
        let deadline = Instant::now() + START_TIMEOUT;
        let synchronous = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        while session.query(synchronous, &[])?.is_empty() {
            ensure!(Instant::now() < deadline, "no standby follows");
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Promotes a standby to the primary.
    ///
    /// # Errors
    ///
    /// If the server is not a standby.
    pub fn promote(&self) -> Result<()> {
        let mut session = postgres::Client::connect(&self.url("postgres"), postgres::NoTls)?;
        Ok(session.batch_execute("SELECT pg_promote()")?)
    }

    /// The port of 127.0.0.1 that the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database of the cluster, over the socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let (folder, port) = (self.folder.path().display(), self.port);
        format!("postgres://postgres@/{database}?host={folder}&port={port}")
    }

    /// The folder of the server's data, socket and log.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of the main process.
    pub(crate) fn process(&self) -> u32 {
        self.server.id()
    }

    /// Suspends all processes of the server: it neither responds nor closes connections.
    pub fn freeze(&self) {
        self.signal_all(Signal::SIGSTOP);
    }

    /// Resumes the processes of the server.
    pub fn thaw(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    /// The ids of the server's processes, the main process first.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let server = self.server.id();
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        iter::once(server).chain(children).collect()
    }

    fn signal_all(&self, signal: Signal) {
        for process in self.processes() {
            if let Ok(process) = i32::try_from(process) {
                let _gone_already = kill(Pid::from_raw(process), signal);
            }
        }
    }

    /// Waits until the server accepts connections.
    ///
    /// # Errors
    ///
    /// If the server ended, or accepts no connection within a minute.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let attempt = postgres::Client::connect(&self.url("postgres"), postgres::NoTls);
            let Err(error) = attempt else { return Ok(()) };
            if let Some(status) = self.server.try_wait()? {
                bail!("PostgreSQL stopped with {status}:\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("PostgreSQL does not answer: {error}\n{}", self.log());
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Starts a server on the data in a folder, which also gets its socket and its log.
fn spawn(folder: &Path, port: u16, settings: &[String]) -> Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    let mut server = Owner::of_servers()?.command(&binaries::find_or_install()?.join("postgres"));
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-h", "127.0.0.1"]);
    server.args(["-p", &port.to_string()]);
    for setting in settings {
        server.arg("-c").arg(setting);
    }
    Ok(server.stdout(log.try_clone()?).stderr(log).spawn()?)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An immediate shutdown: the data is removed anyway.
        if let Ok(pid) = i32::try_from(self.server.id()) {
            let _gone_already = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        }
        let _status = self.server.wait();
    }
}

/// The user that runs a server. PostgreSQL refuses to run as root.
pub(crate) enum Owner {
    Caller,
    Postgres { uid: u32, gid: u32, home: PathBuf },
}

impl Owner {
    pub(crate) fn of_servers() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Caller);
        }
        let user = User::from_name("postgres")?
            .context("PostgreSQL does not run as root, and there is no user postgres")?;
        Ok(Self::Postgres { uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir })
    }

    pub(crate) fn take(&self, path: &Path) -> Result<()> {
        if let Self::Postgres { uid, gid, .. } = self {
            chown(path, Some(*uid), Some(*gid))?;
        }
        Ok(())
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).current_dir("/");
        if let Self::Postgres { uid, gid, home } = self {
            command.uid(*uid).gid(*gid).env("HOME", home);
        }
        command
    }
}
