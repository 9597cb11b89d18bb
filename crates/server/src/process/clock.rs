//! The clock of the machine.

use std::time::{SystemTime, UNIX_EPOCH};

use merchant_otp_domain::Timestamp;
use merchant_otp_ports::Clock;

/// The clock of the machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before the epoch is one that was never set.
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::saturating(since_epoch.as_secs())
    }
}
