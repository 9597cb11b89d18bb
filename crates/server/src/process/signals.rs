//! Signals: shutdown, and reloading certificates.

use std::future::pending;
use std::process;

use merchant_otp_transport_kit::Certificate;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::process::systemd;

/// The signals that end the service: the first drains it, the second ends it at once.
pub(crate) struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// Handles SIGTERM and SIGINT from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Completes with the first signal.
    pub(crate) async fn first(mut self) {
        self.next().await;
        systemd::stopping();
        tracing::info!("draining");
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("second signal; stopping at once");
            process::exit(1);
        });
    }

    async fn next(&mut self) {
        let signal = tokio::select! {
            signal = self.terminate.recv() => signal,
            signal = self.interrupt.recv() => signal,
        };
        if signal.is_none() {
            // No signal comes any more: the runtime is ending.
            pending::<()>().await;
        }
    }
}

/// Reads the certificates again with each SIGHUP; without one, a SIGHUP does nothing.
pub(crate) fn reload_on_hangup(certificates: Vec<Certificate>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if certificates.is_empty() {
                tracing::info!("no certificate to reload");
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
