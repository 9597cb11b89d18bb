//! Logging.

use std::io::{self, IsTerminal};

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

/// Writes the log to standard error: as text on a terminal, otherwise as JSON.
pub(crate) fn start(filter: EnvFilter) -> anyhow::Result<()> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A failure to write the log would be reported on standard error, and panic there.
        .log_internal_errors(false);
    let started = if io::stderr().is_terminal() {
        subscriber.try_init()
    } else {
        subscriber.json().flatten_event(true).with_span_list(false).with_ansi(false).try_init()
    };
    started.map_err(|error| anyhow!(error))
}
