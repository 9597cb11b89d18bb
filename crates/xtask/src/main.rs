//! `cargo xtask …`: development tasks of the workspace.
#![expect(clippy::disallowed_methods, reason = "for development only")]

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use merchant_otp_test_tools::{
    caddy, cargo_deb, cargo_deny, cargo_fuzz, libfaketime, nginx, oathtool, schemathesis,
};
use merchant_otp_throwaway_postgres::{Cluster, ENVIRONMENT};

/// Development tasks of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run all tests of the workspace, on SQLite and on a temporary PostgreSQL cluster.
    ///
    /// Missing tools are installed: PostgreSQL, oathtool and libfaketime with apt, schemathesis
    /// with pip below `target/`, nginx and Caddy from Debian's packages below `target/`. The
    /// cluster is removed afterwards.
    Test {
        /// Arguments for `cargo test`, instead of `--workspace`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check formatting, lints and documentation; warnings are errors.
    Lint,
    /// Check licences, sources and advisories of the dependencies with cargo-deny.
    ///
    /// cargo-deny is built below `target/` if it is missing. If the advisory database cannot be
    /// reached, a message reports this and everything else is checked.
    Deny,
    /// Run each fuzz target with libFuzzer for some seconds.
    ///
    /// cargo-fuzz is built below `target/` if it is missing; the targets need a C++ compiler.
    Fuzz {
        /// Number of seconds that each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Measure the service against pgbench, SQLite and an empty handler, and print the ratios.
    ///
    /// wrk and PostgreSQL are installed with apt if they are missing. Nothing else should run on
    /// the machine.
    Bench {
        /// Arguments for the benchmark; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the service under load on each database and inject faults, then compare the answers that
    /// clients received with the stored data.
    Soak {
        /// Arguments for the run, such as `--minutes 3`; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Upgrade a large database of each kind from the schema before primary keys began with the
    /// instance, interrupt the upgrade once, and measure it.
    Upgrade {
        /// Arguments for the run, such as `--events 1000000`; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build a Debian package below `target/debian/`.
    ///
    /// cargo-deb is built below `target/` if it is missing.
    Package {
        /// Arguments for cargo-deb, such as `--deb-version 0.1.0-2`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the checks of continuous integration: lint, deny and test.
    Ci,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Test { arguments } => test(&arguments),
        Task::Lint => lint(),
        Task::Deny => deny(),
        Task::Fuzz { seconds } => fuzz(seconds),
        Task::Bench { arguments } => bench(&arguments),
        Task::Soak { arguments } => soak(&arguments),
        Task::Upgrade { arguments } => upgrade(&arguments),
        Task::Package { arguments } => package(&arguments),
        Task::Ci => lint().and_then(|()| deny()).and_then(|()| test(&[])),
    }
}

fn test(arguments: &[String]) -> Result<()> {
    oathtool()
        .and_then(|_| libfaketime())
        .and_then(|_| nginx())
        .and_then(|_| caddy())
        .and_then(|_| schemathesis())
        .context("installing what the tests run")?;
    let cluster = Cluster::start().context("starting a PostgreSQL for the tests")?;
    let mut tests = cargo(&["test", "--locked"]);
    if arguments.is_empty() {
        tests.arg("--workspace");
    }
    tests.args(arguments).env(ENVIRONMENT, cluster.url("postgres"));
    run_and_count(&mut tests)
}

/// Runs `cargo test`, and prints the number of tests that passed in all its binaries.
fn run_and_count(tests: &mut Command) -> Result<()> {
    let mut running = tests.stdout(Stdio::piped()).spawn()?;
    let output = running.stdout.take().context("no pipe")?;
    let mut passed = 0;
    let mut stdout = io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")?;
        passed += passed_tests(&String::from_utf8_lossy(&line)).unwrap_or(0);
    }
    let status = running.wait()?;
    ensure!(status.success(), "the tests ended with {status}; {passed} passed");
    writeln!(stdout, "\n{passed} tests passed")?;
    Ok(())
}

/// Returns the number in the last line of a test binary: `test result: ok. 12 passed; …`.
fn passed_tests(line: &str) -> Option<u64> {
    let (_, result) = line.strip_prefix("test result: ")?.split_once(". ")?;
    result.split_once(" passed;")?.0.parse().ok()
}

fn bench(arguments: &[String]) -> Result<()> {
    let packages = ["--package", "merchant-otp-server", "--package", "merchant-otp-bench"];
    run(cargo(&["build", "--locked", "--release"]).args(packages))?;
    let bench = ["run", "--locked", "--release", "--package", "merchant-otp-bench", "--"];
    run(cargo(&bench).args(arguments))
}

fn soak(arguments: &[String]) -> Result<()> {
    let soak = ["run", "--locked", "--package", "merchant-otp-tests", "--bin", "soak", "--"];
    run(cargo(&soak).args(arguments))
}

fn upgrade(arguments: &[String]) -> Result<()> {
    let upgrade = ["run", "--locked", "--release", "--package", "merchant-otp-tests"];
    run(cargo(&upgrade).args(["--bin", "upgrade", "--"]).args(arguments))
}

fn package(arguments: &[String]) -> Result<()> {
    const SERVER: [&str; 2] = ["--package", "merchant-otp-server"];
    let program = cargo_deb().context("building cargo-deb")?;
    run(cargo(&["build", "--locked", "--release"]).args(SERVER))?;
    // The binary itself generates the man pages and the shell completions of the package.
    let binary = |arguments: &[&str]| {
        let mut command = cargo(&["run", "--locked", "--quiet", "--release"]);
        command.args(SERVER).arg("--").args(arguments);
        command
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/package");
    let man = folder.join("man");
    if man.exists() {
        fs::remove_dir_all(&man)?;
    }
    fs::create_dir_all(&man)?;
    run(binary(&["man"]).arg(&man))?;
    for shell in ["bash", "fish", "zsh"] {
        let script = File::create(folder.join("merchant-otp").with_extension(shell))?;
        run(binary(&["completions", shell]).stdout(script))?;
    }
    let mut deb = Command::new(program);
    run(deb.args(SERVER).arg("--no-build").args(arguments))
}

fn lint() -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    run(&mut cargo(&clippy))?;
    for adapter in ["postgres", "sqlite"] {
        let mut alone = cargo(&["clippy", "--locked", "--package", "merchant-otp-server"]);
        alone.args(["--no-default-features", "--features", adapter, "--", "--deny", "warnings"]);
        run(&mut alone)?;
    }
    let documentation = ["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"];
    run(cargo(&documentation).env("RUSTDOCFLAGS", "--deny warnings"))
}

fn deny() -> Result<()> {
    let program = cargo_deny().context("building cargo-deny")?;
    let check = |what: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["--workspace", "--all-features", "--locked", "check"]).args(what);
        command
    };
    run(&mut check(&["bans", "licenses", "sources"]))?;
    let mut fetch = Command::new(&program);
    if fetch.args(["fetch", "db"]).status().is_ok_and(|status| status.success()) {
        return run(&mut check(&["--disable-fetch", "advisories"]));
    }
    let _stderr_closed =
        writeln!(io::stderr(), "the advisories cannot be reached; they were not checked");
    Ok(())
}

/// The targets in `fuzz/`, those of the files of devices by their format.
const TARGETS: [&str; 16] = [
    "base32",
    "amount",
    "body",
    "path",
    "header",
    "file",
    "file_csv",
    "file_workbook",
    "file_oath_csv",
    "file_entra",
    "file_yubico",
    "file_pskc",
    "file_otpauth",
    "file_migration",
    "file_aegis",
    "file_andotp",
];

fn fuzz(seconds: u32) -> Result<()> {
    let program = cargo_fuzz().context("building cargo-fuzz")?;
    for target in TARGETS {
        let mut fuzz = Command::new(&program);
        // The targets only look for panics, so the stable compiler without a sanitizer suffices.
        fuzz.args(["run", "--sanitizer", "none", target, "--"]).env("RUSTC_BOOTSTRAP", "1");
        run(fuzz.arg(format!("-max_total_time={seconds}")))?;
    }
    Ok(())
}

/// Creates a command of the cargo that runs this task.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
