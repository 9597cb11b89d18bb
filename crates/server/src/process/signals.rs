//! Signal handling: shutdown and reload of certificates.

use std::future::pending;
use std::process;
use std::time::Duration;

use merchant_otp_transport_kit::Certificate;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::process::systemd;

/// How long the last log line may take to be written.
const LOG_DELAY: Duration = Duration::from_millis(100);

/// The shutdown signals. The first one drains the service, the second one ends the process at once.
pub(crate) struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// Installs the handlers of SIGTERM and SIGINT.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Completes when the first signal arrives.
    pub(crate) async fn first(mut self) {
        self.next().await;
        systemd::stopping();
        tracing::info!("draining");
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("received second signal; stopping at once");
            // Another thread writes the log.
            sleep(LOG_DELAY).await;
            process::exit(1);
        });
    }

    async fn next(&mut self) {
        let signal = tokio::select! {
            signal = self.terminate.recv() => signal,
            signal = self.interrupt.recv() => signal,
        };
        if signal.is_none() {
            // No more signals arrive: the runtime is shutting down.
            pending::<()>().await;
        }
    }
}

/// Reloads the certificates on each SIGHUP. Without certificates, SIGHUP has no effect.
pub(crate) fn reload_on_hangup(certificates: Vec<Certificate>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if certificates.is_empty() {
                tracing::info!("ignored SIGHUP; no certificate to reload");
            }
            for certificate in &certificates {
                match certificate.reload() {
                    Ok(()) => tracing::info!("reloaded certificate"),
                    Err(error) => {
                        let cause = format!("{:#}", anyhow::Error::from(error));
                        tracing::error!(cause, "failed to reload certificate");
                    }
                }
            }
        }
    });
    Ok(())
}
