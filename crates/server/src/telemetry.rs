use std::io::{self, IsTerminal};

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

use crate::settings::Log;

/// What is logged.
pub(crate) fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    Ok(EnvFilter::builder().parse(&log.filter)?)
}

/// Sends the log to standard error: for people on a terminal, as JSON elsewhere.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(log)?)
        .with_writer(io::stderr)
        // A log that cannot be written would be told to standard error, and panic there.
        .log_internal_errors(false);
    let started = if io::stderr().is_terminal() {
        subscriber.try_init()
    } else {
        subscriber.json().flatten_event(true).with_span_list(false).with_ansi(false).try_init()
    };
    started.map_err(|error| anyhow!(error))
}
