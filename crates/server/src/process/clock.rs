//! The system clock.

use std::time::{SystemTime, UNIX_EPOCH};

use merchant_otp_domain::Timestamp;
use merchant_otp_ports::Clock;

/// The system clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before the epoch was never set; it counts as the epoch.
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::saturating(since_epoch.as_secs())
    }
}
