//! `cargo xtask …`: what a person would otherwise remember.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use merchant_otp_test_tools::{oathtool, schemathesis};
use merchant_otp_throwaway_postgres::{Cluster, ENVIRONMENT};

/// Tasks of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run every test of the workspace, on SQLite and on a PostgreSQL of its own.
    ///
    /// PostgreSQL and oathtool are installed with apt if they are missing, schemathesis with pip below
    /// `target/`; the cluster is thrown away afterwards.
    Test {
        /// Arguments for `cargo test`, instead of `--workspace`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the format, the lints and the documentation; warnings are errors.
    Lint,
    /// Run what continuous integration runs: lint, then test.
    Ci,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Test { arguments } => test(&arguments),
        Task::Lint => lint(),
        Task::Ci => lint().and_then(|()| test(&[])),
    }
}

fn test(arguments: &[String]) -> Result<()> {
    oathtool().and_then(|_| schemathesis()).context("installing what the tests run")?;
    let cluster = Cluster::start().context("starting a PostgreSQL for the tests")?;
    let mut tests = cargo(&["test", "--locked"]);
    if arguments.is_empty() {
        tests.arg("--workspace");
    }
    run(tests.args(arguments).env(ENVIRONMENT, cluster.url("postgres")))
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
