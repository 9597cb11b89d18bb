//! Sockets and notifications of systemd.

use std::future::pending;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use merchant_otp_transport_kit::ListeningSocket;
use sd_notify::NotifyState;
use tokio::time::sleep;

/// The socket that systemd made for the service (`LISTEN_FDS`), if it did.
///
/// # Errors
///
/// If there are several, or one that no requests come over.
pub(crate) fn listening_socket() -> anyhow::Result<Option<ListeningSocket>> {
    let mut handed_over = ListenFd::from_env();
    match handed_over.len() {
        0 => return Ok(None),
        1 => {}
        several => bail!("{several} sockets were handed over, and one is used"),
    }
    // One that is of the other kind stays where it is.
    if let Ok(Some(listener)) = handed_over.take_tcp_listener(0) {
        return Ok(Some(ListeningSocket::Tcp(listener)));
    }
    let listener = handed_over.take_unix_listener(0);
    let listener = listener.context("what was handed over is no socket that listens")?;
    Ok(listener.map(ListeningSocket::Unix))
}

/// Tells systemd that requests are answered, if it started the service and wants to know.
pub(crate) fn ready() {
    notify(NotifyState::Ready);
}

/// Tells systemd that the service is about to end.
pub(crate) fn stopping() {
    notify(NotifyState::Stopping);
}

/// Tells systemd again and again that the service is alive, if it asks for that (`WatchdogSec`);
/// never ends.
pub(crate) async fn keep_alive() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return pending().await };
    loop {
        notify(NotifyState::Watchdog);
        // Twice in the time that it waits for.
        sleep(interval / 2).await;
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        let cause = &error as &dyn std::error::Error;
        tracing::warn!(cause, "failed to notify systemd");
    }
}
