//! The port for the time.

use merchant_otp_domain::Timestamp;

/// The current time.
pub trait Clock: Send + Sync + 'static {
    /// The current time, in whole seconds.
    fn now(&self) -> Timestamp;
}
