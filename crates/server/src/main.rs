//! `merchant-otp`: the merchant OTP service.
//!
//! The composition root: it reads the command line and the settings, wires a storage adapter, the
//! use cases and a transport together, and handles signals. It contains no business rules.

mod command_line;
mod commands;
mod master_key_files;
mod process;
mod serve;
mod settings;
mod storage;
mod storage_url;
mod text;
mod transports;
mod wiring;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;

use crate::command_line::{Command, CommandLine};
use crate::process::core_dumps::disable_core_dumps;
use crate::settings::Settings;

/// How long background work may continue at exit if the database does not respond.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    disable_core_dumps();
    let command_line = CommandLine::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(run(command_line));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // `{:#}` prints the causes on the same line.
    let _ignored = writeln!(io::stderr(), "merchant-otp: {error:#}");
    ExitCode::FAILURE
}

async fn run(command_line: CommandLine) -> anyhow::Result<()> {
    let settings = Settings::load(command_line.config.as_deref())?;
    match command_line.command.unwrap_or_default() {
        Command::Serve(options) => serve::serve(settings, options).await,
        Command::Audit(command) => commands::audit::audit(&settings, command).await,
        Command::Backup { file } => commands::backup::backup(&settings, &file).await,
        Command::Restore { file } => commands::backup::restore(&settings, &file).await,
        Command::Healthcheck => commands::healthcheck::healthcheck(&settings),
        Command::Completions { shell } => commands::manual::completions(shell),
        Command::Man { folder } => commands::manual::pages(&folder),
        Command::Config => commands::config::config(&settings),
        Command::Key(command) => commands::key::key(&settings, command).await,
        Command::OpenApi => commands::openapi::openapi(),
        Command::Migrate { accept_file } => {
            commands::migrate::migrate(&settings, accept_file).await
        }
        Command::Instance(command) => commands::instance::instance(&settings, command).await,
        Command::Device(command) => commands::device::device(&settings, command).await,
        Command::Token(command) => commands::token::token(&settings, command).await,
    }
}
