//! The port for the time.

use merchant_otp_domain::Timestamp;

/// The current time.
///
/// ```
/// use merchant_otp_domain::Timestamp;
/// use merchant_otp_ports::Clock;
///
/// struct FixedClock(Timestamp);
///
/// impl Clock for FixedClock {
///     fn now(&self) -> Timestamp {
///         self.0
///     }
/// }
///
/// assert_eq!(FixedClock(Timestamp::EPOCH).now().seconds(), 0);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time, in whole seconds.
    fn now(&self) -> Timestamp;
}
