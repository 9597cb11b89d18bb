use std::future::pending;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

/// Tells systemd that requests are answered, if it started the service and wants to know.
pub(crate) fn ready() {
    tell(NotifyState::Ready);
}

/// Tells systemd that the service is about to end.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells systemd again and again that the service is alive, if it asks for that (`WatchdogSec`); never ends.
pub(crate) async fn keep_alive() {
    let Some(interval) = watchdog() else { return pending().await };
    loop {
        tell(NotifyState::Watchdog);
        // Twice in the time that it waits for.
        sleep(interval / 2).await;
    }
}

fn watchdog() -> Option<Duration> {
    let mut microseconds = 0;
    sd_notify::watchdog_enabled(false, &mut microseconds)
        .then(|| Duration::from_micros(microseconds))
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        let cause = &error as &dyn std::error::Error;
        tracing::warn!(cause, "systemd was not told");
    }
}
