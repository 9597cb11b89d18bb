//! Runs the transports of the process.
//!
//! All transports share one shutdown signal and one grace period to drain in. If one of them ends
//! or fails, the others are drained.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, anyhow};
use merchant_otp_transport_http::Bound;
use merchant_otp_transport_kit::{Certificate, Heartbeats, Listen};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long a transport may take to end after the grace period.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

type Running = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A transport that is bound to its address and not running yet.
pub(crate) struct Transport {
    /// Name in the log.
    pub(crate) name: &'static str,
    /// The number of its worker threads.
    pub(crate) workers: usize,
    /// The address it listens on.
    pub(crate) address: Listen,
    /// The server certificate, if the transport uses TLS.
    pub(crate) certificate: Option<Certificate>,
    /// The heartbeats of its workers.
    pub(crate) heartbeats: Heartbeats,
    run: Box<dyn FnOnce(Shutdown) -> Running>,
}

impl From<Bound> for Transport {
    fn from(bound: Bound) -> Self {
        Self {
            name: bound.name(),
            workers: bound.workers(),
            address: bound.listen().clone(),
            certificate: bound.certificate(),
            heartbeats: bound.heartbeats(),
            run: Box::new(|shutdown| Box::pin(bound.run(shutdown.started()))),
        }
    }
}

/// Notifies a transport that the shutdown of the process begins.
struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Completes when the shutdown begins.
    async fn started(mut self) {
        // An error means that the sender was dropped, which happens only when the process ends.
        let _ended = self.0.wait_for(|started| *started).await;
    }
}

/// Runs transports until `shutdown` completes or one of them ends, then drains them: requests in
/// flight are answered.
///
/// # Errors
///
/// The first failure of a transport, after the others were drained; or a transport that does not
/// end within `grace` and [`DRAIN_MARGIN`].
pub(crate) async fn run(
    transports: Vec<Transport>,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) -> anyhow::Result<()> {
    let (stop, seen) = watch::channel(false);
    let mut running = JoinSet::new();
    for Transport { name, run, .. } in transports {
        let transport = run(Shutdown(seen.clone()));
        running.spawn(async move { (name, transport.await) });
    }
    let mut result = Ok(());
    tokio::pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => {}
        ended = running.join_next() => {
            result = ended.map_or(Ok(()), outcome);
            if let Err(error) = &result {
                tracing::error!(cause = format!("{error:#}"), "transport failed; draining");
            }
        }
    }
    stop.send_replace(true);
    let drain_deadline = sleep_until(Instant::now() + grace + DRAIN_MARGIN);
    tokio::pin!(drain_deadline);
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                None => return result,
                Some(ended) => result = result.and(outcome(ended)),
            },
            () = &mut drain_deadline => {
                return result.and(Err(anyhow!("a transport did not drain in time")));
            }
        }
    }
}

/// The result of a transport's task; an error names the transport.
fn outcome(
    ended: Result<(&'static str, io::Result<()>), tokio::task::JoinError>,
) -> anyhow::Result<()> {
    let (name, result) = ended.context("a transport panicked")?;
    result.with_context(|| format!("serving {name}"))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::{Arc, Mutex};

    use tokio::time::sleep;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    type Log = Arc<Mutex<Vec<String>>>;

    /// A transport that drains for the time `drain` when the shutdown begins.
    fn draining(name: &'static str, log: &Log, drain: Duration) -> Transport {
        let log = Arc::clone(log);
        transport(name, move |shutdown| {
            Box::pin(async move {
                shutdown.started().await;
                log.lock().unwrap().push(format!("{name} drains"));
                sleep(drain).await;
                log.lock().unwrap().push(format!("{name} ends"));
                Ok(())
            })
        })
    }

    fn transport(name: &'static str, run: impl FnOnce(Shutdown) -> Running + 'static) -> Transport {
        let address = "127.0.0.1:1".parse().unwrap();
        let heartbeats = Heartbeats::default();
        Transport { name, workers: 1, address, certificate: None, heartbeats, run: Box::new(run) }
    }

    #[tokio::test(start_paused = true)]
    async fn one_shutdown_drains_all_transports_at_once() {
        let log = Log::default();
        let begin = Instant::now();
        let transports = [("a", 20), ("b", 10)];
        let transports = transports
            .map(|(name, seconds)| draining(name, &log, Duration::from_secs(seconds)))
            .into();
        run(transports, sleep(Duration::from_secs(1)), GRACE).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_secs(21));
        let mut log = log.lock().unwrap().clone();
        log[..2].sort();
        assert_eq!(log, ["a drains", "b drains", "b ends", "a ends"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_transport_drains_the_others() {
        let log = Log::default();
        let failing = transport("bad", |_| Box::pin(ready(Err(io::Error::other("broken")))));
        let good = draining("good", &log, Duration::from_secs(3));
        let error = run(vec![good, failing], pending(), GRACE).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "serving bad: broken");
        assert_eq!(*log.lock().unwrap(), ["good drains", "good ends"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transport_that_panics_drains_the_others() {
        let log = Log::default();
        let failing = transport("bad", |_| Box::pin(async { panic!("broken") }));
        let good = draining("good", &log, Duration::from_secs(3));
        assert!(run(vec![good, failing], pending(), GRACE).await.is_err());
        assert_eq!(*log.lock().unwrap(), ["good drains", "good ends"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transport_that_does_not_end_is_given_up() {
        let begin = Instant::now();
        let stuck = transport("stuck", |_| Box::pin(pending()));
        let error = run(vec![stuck], ready(()), GRACE).await.unwrap_err();
        assert_eq!(begin.elapsed(), GRACE + DRAIN_MARGIN);
        assert!(error.to_string().contains("drain"), "{error}");
    }
}
