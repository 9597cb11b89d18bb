//! Logging.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::text::escaped_json;

/// The number of log lines that may wait to be written. Further lines are dropped.
const QUEUE_LINES: usize = 8192;

/// How often dropped lines are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The log of the process. Dropping it writes the waiting lines, or gives up after a second.
pub(crate) struct Log {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

/// Writes the log to standard error: as text on a terminal, otherwise as JSON.
///
/// A thread of its own writes it: a reader that does not drain standard error must not stop the
/// service.
pub(crate) fn start(filter: EnvFilter) -> anyhow::Result<Log> {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(io::stderr());
    let dropped = writer.error_counter();
    // A failure to write the log would be reported on standard error, and panic there.
    let lines = fmt::layer().log_internal_errors(false);
    let lines = if io::stderr().is_terminal() {
        lines.with_writer(writer).boxed()
    } else {
        let lines = lines.json().flatten_event(true).with_span_list(false).with_ansi(false);
        lines.with_writer(move || EscapedJson(writer.clone())).boxed()
    };
    let accept_errors = AcceptErrors::default();
    let limit = dynamic_filter_fn(move |metadata, _| accept_errors.is_due(metadata));
    let subscriber = tracing_subscriber::registry().with(filter).with(lines.with_filter(limit));
    subscriber.try_init()?;
    Ok(Log { dropped, _writer: guard })
}

impl Log {
    /// Counts dropped lines in the metrics, and logs their number once lines are written again.
    /// Never returns.
    pub(crate) async fn report_dropped_lines(&self) {
        let (mut counted, mut reported) = (0, 0);
        loop {
            sleep(COUNT_INTERVAL).await;
            let dropped = self.dropped.dropped_lines();
            metrics::counter!("merchant_otp_log_lines_dropped_total")
                .increment(as_u64(dropped - counted));
            counted = dropped;
            if dropped > reported {
                tracing::warn!(lines = dropped - reported, "dropped log lines");
                // Unless this line was dropped as well.
                if self.dropped.dropped_lines() == dropped {
                    reported = dropped;
                }
            }
        }
    }
}

/// Escapes invisible characters in lines of JSON.
struct EscapedJson<W>(W);

impl<W: Write> Write for EscapedJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Each event is written at once.
        match str::from_utf8(line).map(escaped_json) {
            Ok(Cow::Owned(escaped)) => self.0.write_all(escaped.as_bytes())?,
            Ok(Cow::Borrowed(_)) | Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Limits the errors of accepting connections in the log to one a minute: as long as descriptors
/// are exhausted, the HTTP library tries again twice a second.
#[derive(Default)]
struct AcceptErrors {
    last: Mutex<Option<Instant>>,
}

impl AcceptErrors {
    fn is_due(&self, metadata: &Metadata<'_>) -> bool {
        const INTERVAL: Duration = Duration::from_mins(1);
        if metadata.target() != "actix_server::accept" || *metadata.level() > Level::WARN {
            return true;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

fn as_u64(lines: usize) -> u64 {
    u64::try_from(lines).unwrap_or(u64::MAX)
}
