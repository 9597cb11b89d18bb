//! The service under test.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::program::run;

/// A running service on a database.
pub(crate) struct Service {
    process: Child,
    settings: Vec<(String, String)>,
    pub(crate) port: u16,
    pub(crate) token: String,
    /// The time from the start of the process to its first response.
    pub(crate) start: Duration,
}

/// Returns the path of the service's binary, which `cargo xtask bench` builds.
pub(crate) fn program() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("merchant-otp");
    ensure!(path.exists(), "{} is missing; run `cargo xtask bench`", path.display());
    Ok(path)
}

impl Service {
    /// Starts the service on the database at `url`, with its master key and its log in `folder`.
    /// `more` are settings in addition to the defaults.
    pub(crate) fn start(url: &str, folder: &Path, more: &[(&str, String)]) -> Result<Self> {
        let key = folder.join("bench.key");
        if !key.exists() {
            run(Command::new(program()?).args(["key", "generate"]).arg(&key))?;
        }
        let port = free_port()?;
        let mut settings = vec![
            ("STORAGE__URL", url.to_owned()),
            ("SECURITY__MASTER_KEYS", format!("file:{}", key.display())),
            ("HTTP__LISTEN", format!("127.0.0.1:{port}")),
        ];
        settings.extend(more.iter().cloned());
        let settings: Vec<_> = settings
            .into_iter()
            .map(|(name, value)| (format!("MERCHANT_OTP__{name}"), value))
            .collect();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(program()?);
            command.args(arguments).envs(settings.iter().cloned());
            anyhow::Ok(command)
        };
        run(&mut command(&["instance", "add", "shop", "--name", "Shop"])?)?;
        let token = run(&mut command(&["token", "add", "--instance", "shop", "--scope", "all"])?)?;
        let log = fs::File::create(folder.join("service.log"))?;
        let begin = Instant::now();
        let process = command(&["serve"])?.stdout(Stdio::null()).stderr(log).spawn()?;
        let mut service =
            Self { process, settings, port, token: token.trim().to_owned(), start: Duration::ZERO };
        while service.get("/config").is_err() {
            ensure!(begin.elapsed() < Duration::from_mins(1), "the service does not answer");
            sleep(Duration::from_millis(1));
        }
        service.start = begin.elapsed();
        Ok(service)
    }

    /// Runs a command of the service on the same database.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(program()?).args(arguments).envs(self.settings.iter().cloned()))
    }

    /// Reads a response to its end; returns its length and the time to its first byte.
    pub(crate) fn get(&self, path: &str) -> Result<(usize, Duration)> {
        let begin = Instant::now();
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(
            connection,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        )?;
        let (mut length, mut first) = (0, None);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match connection.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    first.get_or_insert_with(|| begin.elapsed());
                    length += read;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((length, first.context("no answer")?))
    }

    /// The peak memory of the process, in KiB.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("VmHWM")?;
        Ok(kib.trim().parse()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _gone_already = self.process.wait();
    }
}

/// Finds a free port of 127.0.0.1.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
