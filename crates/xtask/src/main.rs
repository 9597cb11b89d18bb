//! `cargo xtask …`: what a person would otherwise remember.
#![expect(clippy::disallowed_methods, reason = "for development only")]

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use merchant_otp_test_tools::{
    cargo_deb, cargo_deny, cargo_fuzz, libfaketime, oathtool, schemathesis,
};
use merchant_otp_throwaway_postgres::{Cluster, ENVIRONMENT};

/// Tasks of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run every test of the workspace, on SQLite and on a PostgreSQL of its own.
    ///
    /// PostgreSQL, oathtool and libfaketime are installed with apt if they are missing,
    /// schemathesis with pip below `target/`; the cluster is thrown away afterwards.
    Test {
        /// Arguments for `cargo test`, instead of `--workspace`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the format, the lints and the documentation; warnings are errors.
    Lint,
    /// Check licences, sources and advisories of what is built in, with cargo-deny.
    ///
    /// It is built below `target/` if it is missing. Where the database of advisories cannot be
    /// reached, that is said, and the rest is checked.
    Deny,
    /// Feed the fuzz targets with whatever libFuzzer thinks of, each for some seconds.
    ///
    /// cargo-fuzz is built below `target/` if it is missing; the targets need a C++ compiler.
    Fuzz {
        /// For how long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Measure the service against pgbench, SQLite and an empty handler, and print the ratios.
    ///
    /// wrk and PostgreSQL are installed with apt if they are missing. Nothing else should run on
    /// the machine.
    Bench {
        /// Arguments for the measurement; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Load the service on each database and break what it stands on, then hold what clients were
    /// told against what exists.
    Soak {
        /// Arguments for the run, such as `--minutes 3`; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Upgrade a large database of each kind from the schema before keys began with the instance,
    /// interrupt that once, and measure it.
    Upgrade {
        /// Arguments for the run, such as `--events 1000000`; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Make a package for Debian, below `target/debian/`.
    ///
    /// cargo-deb is built below `target/` if it is missing.
    Package {
        /// Arguments for cargo-deb, such as `--deb-version 0.1.0-2`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run what continuous integration runs: lint, deny, then test.
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
        .and_then(|_| schemathesis())
        .context("installing what the tests run")?;
    let cluster = Cluster::start().context("starting a PostgreSQL for the tests")?;
    let mut tests = cargo(&["test", "--locked"]);
    if arguments.is_empty() {
        tests.arg("--workspace");
    }
    run(tests.args(arguments).env(ENVIRONMENT, cluster.url("postgres")))
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
    // What the package has besides the binary, the binary itself writes.
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
    let _nobody_reads_it =
        writeln!(io::stderr(), "the advisories cannot be reached; they were not checked");
    Ok(())
}

fn fuzz(seconds: u32) -> Result<()> {
    let program = cargo_fuzz().context("building cargo-fuzz")?;
    for target in ["base32", "amount", "body", "path", "header"] {
        let mut fuzz = Command::new(&program);
        // Without a sanitizer and on the stable compiler: what is looked for are panics.
        fuzz.args(["run", "--sanitizer", "none", target, "--"]).env("RUSTC_BOOTSTRAP", "1");
        run(fuzz.arg(format!("-max_total_time={seconds}")))?;
    }
    Ok(())
}

/// The cargo that runs this task.
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
