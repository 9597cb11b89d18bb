use std::time::Duration;

use tokio::time::Instant;

/// How much may come at once, and how long it takes until there is room for one more.
///
/// The leaky bucket as a meter (the generic cell rate algorithm): what comes adds to a bucket what leaks
/// out during the interval. A bucket is the point in time at which it is empty.
pub(crate) struct Pace {
    pub(crate) burst: u32,
    pub(crate) interval: Duration,
}

impl Pace {
    /// How long to wait until a bucket that is empty then has room for one more; `None` if it has.
    pub(crate) fn wait(&self, empty_at: Instant, now: Instant) -> Option<Duration> {
        let filled = empty_at.saturating_duration_since(now);
        filled.checked_sub(self.interval * (self.burst - 1)).filter(|wait| !wait.is_zero())
    }
}
