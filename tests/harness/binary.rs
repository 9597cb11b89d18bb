//! The binary under test.

use std::env;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// The binary under test, built from the current code in the profile of the tests.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .args(["build", "--locked", "--package", "merchant-otp-server"])
            .args(["--bin", "merchant-otp", "--message-format", "json"])
            .args(if cfg!(debug_assertions) { None } else { Some("--release") })
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(build.status.success(), "the binary cannot be built");
        let messages = String::from_utf8(build.stdout).unwrap();
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
            .next_back();
        executable.unwrap()
    })
}

/// A command that runs the binary with these settings and no others.
#[must_use]
pub fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("MERCHANT_OTP") || name == "JOURNAL_STREAM" {
            command.env_remove(&*name);
        }
    }
    for (name, value) in settings {
        command.env(format!("MERCHANT_OTP__{name}"), value);
    }
    command
}

/// Wraps a command the way systemd starts a service: `LISTEN_PID` and, unless it is set,
/// `WATCHDOG_PID` are the id of the process, and an inherited socket is its file descriptor 3.
#[must_use]
pub fn managed(command: &Command, socket: Option<OwnedFd>) -> Command {
    // The id of the process is known only after it has started.
    const START: &str = "export LISTEN_PID=$$ WATCHDOG_PID=${WATCHDOG_PID:-$$}
                         exec 3<&0 </dev/null
                         exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", START]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    match socket {
        Some(socket) => shell.env("LISTEN_FDS", "1").stdin(socket),
        None => shell.stdin(Stdio::null()),
    };
    shell
}

/// The output of a command, and whether it succeeded.
#[derive(Debug)]
pub struct Output {
    /// Whether the exit status was 0.
    pub success: bool,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

impl Output {
    /// Runs a command; kills it after one minute.
    #[must_use]
    pub fn of(command: Command) -> Self {
        Self::of_input(command, "")
    }

    /// Runs a command with this standard input; kills it after one minute.
    #[must_use]
    pub fn of_input(mut command: Command, input: &str) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = piped.spawn().unwrap();
        // The write fails if the process ends without reading its input.
        let _not_read = process.stdin.take().unwrap().write_all(input.as_bytes());
        Self::of_process(process)
    }

    /// Runs a [`managed`] command; kills it after one minute.
    #[must_use]
    pub fn of_managed(mut command: Command) -> Self {
        Self::of_process(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn of_process(process: Child) -> Self {
        let pid = Pid::from_raw(process.id().try_into().unwrap());
        let (ended, end) = channel::<()>();
        let guard = thread::spawn(move || {
            if end.recv_timeout(Duration::from_mins(1)) == Err(RecvTimeoutError::Timeout) {
                let _ended_just_now = kill(pid, Signal::SIGKILL);
            }
        });
        let process::Output { status, stdout, stderr } = process.wait_with_output().unwrap();
        drop(ended);
        guard.join().unwrap();
        Self {
            success: status.success(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}
