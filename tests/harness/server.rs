//! A running server.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use data_encoding::BASE64;
use merchant_otp_taler_protocol::ErrorCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use ureq::Agent;

use crate::client::{RawConnection, Reply};
use crate::storage::Storage;

/// Maximum time until a new server serves requests.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server process; killed on drop.
pub struct Server {
    process: Child,
    address: String,
    agent: Agent,
    stdout: Option<JoinHandle<String>>,
    stderr: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    log_closed: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    #[must_use]
    pub fn start(storage: &Storage) -> Self {
        Self::start_with(storage, &[])
    }

    /// Starts a server with some settings.
    #[must_use]
    pub fn start_with(storage: &Storage, settings: &[(&str, &str)]) -> Self {
        Self::start_with_environment(storage, settings, &[])
    }

    /// Starts a server with some settings and environment variables.
    #[must_use]
    pub fn start_with_environment(
        storage: &Storage,
        settings: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::launch(storage, &["serve"], &[], settings, environment)
    }

    /// Starts a server through another program that executes it, with environment variables.
    #[must_use]
    pub fn start_through(
        storage: &Storage,
        program: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::launch(storage, &["serve"], program, &[], environment)
    }

    /// Starts a server with `--no-migrate`.
    #[must_use]
    pub fn start_without_migrating(storage: &Storage) -> Self {
        Self::launch(storage, &["serve", "--no-migrate"], &[], &[], &[])
    }

    fn launch(
        storage: &Storage,
        arguments: &[&str],
        program: &[&str],
        settings: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Self {
        let settings = [&[("HTTP__LISTEN", "127.0.0.1:0")], settings].concat();
        let mut command = wrapped(program, storage.command(arguments, &settings));
        command.envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts a server with this command, and waits until it serves.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let log_closed = Arc::new(AtomicBool::new(false));
        let (log_reader, serving) =
            read_log(process.stderr.take().unwrap(), Arc::clone(&stderr), Arc::clone(&log_closed));
        let stdout = read_output(process.stdout.take().unwrap());
        let Ok(address) = serving.recv_timeout(START_TIMEOUT) else {
            process.kill().unwrap();
            panic!("the server does not serve:\n{}", stderr.lock().unwrap());
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .max_idle_connections_per_host(100);
        let agent = config.build().into();
        let (stdout, log_reader) = (Some(stdout), Some(log_reader));
        Self { process, address, agent, stdout, stderr, log_reader, log_closed }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and reads the reply.
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let request =
            self.agent.configure_request(request).allow_non_standard_methods(true).build();
        Reply::read(self.agent.run(request).unwrap())
    }

    /// Posts a body to the OTP devices of an instance.
    #[must_use]
    pub fn post(&self, instance: &str, token: &str, body: impl AsRef<[u8]>) -> Reply {
        self.call("POST", &format!("/instances/{instance}/private/otp-devices"), token, body)
    }

    /// Sends a request with an access token.
    #[must_use]
    pub fn call(&self, method: &str, path: &str, token: &str, body: impl AsRef<[u8]>) -> Reply {
        let authorization = format!("Bearer {token}");
        self.request(method, path, &[("Authorization", &authorization)], body.as_ref())
    }

    /// Requests an access token with the id and the password of an instance.
    #[must_use]
    pub fn log_in(&self, instance: &str, password: &str, body: impl AsRef<[u8]>) -> Reply {
        let path = format!("/instances/{instance}/private/token");
        let authorization = basic(instance, password);
        self.request("POST", &path, &[("Authorization", &authorization)], body.as_ref())
    }

    /// The peak resident memory of the process, in KiB.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// The soft limit on the size of a core dump, in bytes.
    #[must_use]
    pub fn core_limit(&self) -> String {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.process.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    }

    /// Opens a raw connection to the server.
    #[must_use]
    pub fn connect(&self) -> RawConnection {
        RawConnection::open(&self.address)
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Stops reading the log until the guard is dropped.
    pub fn hold_log(&self) -> MutexGuard<'_, String> {
        self.stderr.lock().unwrap()
    }

    /// Closes the reading end of the log after the next line.
    pub fn close_log(&mut self) {
        self.log_closed.store(true, Ordering::SeqCst);
        self.request("GET", "/nowhere", &[], b"")
            .expect_error(404, ErrorCode::GenericEndpointUnknown);
        self.log_reader.take().unwrap().join().unwrap();
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the process to exit. Returns the exit status (`None` if a signal ended it), the
    /// standard output, and the log.
    #[must_use]
    pub fn wait(mut self) -> (Option<i32>, String, String) {
        let status = self.process.wait().unwrap().code();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        if let Some(reader) = self.log_reader.take() {
            reader.join().unwrap();
        }
        (status, stdout, self.log())
    }

    /// Stops the server with SIGTERM and expects status 0. Returns the standard output and the log.
    #[expect(clippy::must_use_candidate, reason = "most callers only want it to end")]
    pub fn stop(self) -> (String, String) {
        self.signal(Signal::SIGTERM);
        let (status, stdout, log) = self.wait();
        assert_eq!(status, Some(0), "{log}");
        (stdout, log)
    }

    /// Kills the process with SIGKILL.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.wait().0, None);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

/// The value of the `Authorization` header for a user and a password.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// Wraps a command in another program with its arguments, unless `program` is empty.
fn wrapped(program: &[&str], command: Command) -> Command {
    let Some((program, arguments)) = program.split_first() else { return command };
    let mut other = Command::new(program);
    other.args(arguments).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

/// Collects the log, and sends the address of the server once it serves.
fn read_log(
    stderr: ChildStderr,
    log: Arc<Mutex<String>>,
    closed: Arc<AtomicBool>,
) -> (JoinHandle<()>, Receiver<String>) {
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let line = line.unwrap();
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "serving" {
                let _receiver_may_be_gone =
                    sender.send(event["listen"].as_str().unwrap().to_owned());
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
            if closed.load(Ordering::SeqCst) {
                break;
            }
        }
    });
    (reader, receiver)
}

fn read_output(mut stdout: ChildStdout) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut output = String::new();
        stdout.read_to_string(&mut output).unwrap();
        output
    })
}
