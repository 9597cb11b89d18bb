//! Socket activation and notifications of systemd.

use std::future::pending;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use merchant_otp_transport_kit::{Heartbeats, ListeningSocket};
use sd_notify::NotifyState;
use tokio::time::sleep;

/// Returns the socket that systemd passed to the service (`LISTEN_FDS`), if any.
///
/// # Errors
///
/// If systemd passed several sockets, or a file descriptor that is not a listening socket.
pub(crate) fn listening_socket() -> anyhow::Result<Option<ListeningSocket>> {
    let mut inherited = ListenFd::from_env();
    match inherited.len() {
        0 => return Ok(None),
        1 => {}
        several => bail!("systemd passed {several} sockets; the service uses only one"),
    }
    // A socket of the other kind is not taken.
    if let Ok(Some(listener)) = inherited.take_tcp_listener(0) {
        return Ok(Some(ListeningSocket::Tcp(listener)));
    }
    let listener = inherited.take_unix_listener(0);
    let listener =
        listener.context("the file descriptor passed by systemd is not a listening socket")?;
    Ok(listener.map(ListeningSocket::Unix))
}

/// Notifies systemd that the service is ready, if systemd expects notifications.
pub(crate) fn ready() {
    notify(NotifyState::Ready);
}

/// Notifies systemd that the service is stopping.
pub(crate) fn stopping() {
    notify(NotifyState::Stopping);
}

/// Notifies the watchdog of systemd at regular intervals, if it is enabled (`WatchdogSec`), as long
/// as every worker answers. Never returns.
///
/// A database that does not respond is no reason to restart the service.
pub(crate) async fn keep_alive(transports: Vec<Heartbeats>) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return pending().await };
    loop {
        let silent = transports.iter().filter(|heartbeats| !heartbeats.begin_round()).count();
        if silent == 0 {
            notify(NotifyState::Watchdog);
        } else {
            tracing::warn!("worker does not respond; not notifying the watchdog");
        }
        // Twice within the timeout of the watchdog.
        sleep(interval / 2).await;
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        let cause = &error as &dyn std::error::Error;
        tracing::warn!(cause, "failed to notify systemd");
    }
}
