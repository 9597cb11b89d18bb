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

/// The binary under test, built from the code as it is now, in the profile of the tests.
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

/// The binary with these settings and no others.
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

/// The same command as a service manager starts it: the process is told that what it is told is for
/// it, and finds the socket, if there is one, as its file 3.
#[must_use]
pub fn managed(command: &Command, socket: Option<OwnedFd>) -> Command {
    // Only the process itself knows its number beforehand.
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

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Whether it ended with status 0.
    pub success: bool,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end, which has to come within a minute.
    #[must_use]
    pub fn of(command: Command) -> Self {
        Self::of_input(command, "")
    }

    /// The same, with something to read from standard input.
    #[must_use]
    pub fn of_input(mut command: Command, input: &str) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = piped.spawn().unwrap();
        // Who does not read it may have ended already.
        let _not_read = process.stdin.take().unwrap().write_all(input.as_bytes());
        Self::of_process(process)
    }

    /// Runs a [`managed`] command to its end, which has to come within a minute.
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
