use merchant_otp_domain::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The current time, in whole seconds.
    fn now(&self) -> Timestamp;
}
