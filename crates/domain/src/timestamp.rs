//! Points in time, lifetimes and expirations.

use thiserror::Error;

/// A point in time: whole seconds since the Unix epoch, 0 to 2^53 − 1.
///
/// The limit is that of interoperable integers in JSON (RFC 8259 section 6).
///
/// ```
/// use merchant_otp_domain::Timestamp;
///
/// assert_eq!(Timestamp::from_seconds(59).unwrap().seconds(), 59);
/// assert!(Timestamp::from_seconds(1 << 53).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The earliest point in time.
    pub const EPOCH: Self = Self(0);

    /// The latest point in time, in seconds since the epoch.
    pub const MAX_SECONDS: u64 = (1 << 53) - 1;

    /// Creates a point in time from seconds since the epoch.
    ///
    /// # Errors
    ///
    /// If there are more than [`Timestamp::MAX_SECONDS`].
    pub fn from_seconds(seconds: u64) -> Result<Self, TimestampError> {
        match seconds {
            0..=Self::MAX_SECONDS => Ok(Self(seconds)),
            _ => Err(TimestampError),
        }
    }

    /// Like [`Timestamp::from_seconds`], but limits the value to [`Timestamp::MAX_SECONDS`].
    #[must_use]
    pub fn saturating(seconds: u64) -> Self {
        Self(seconds.min(Self::MAX_SECONDS))
    }

    /// Seconds since the epoch.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }
}

/// Error returned by [`Timestamp::from_seconds`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a timestamp is 0 to 2^53 - 1 seconds")]
pub struct TimestampError;

/// How long something stays valid.
///
/// ```
/// use merchant_otp_domain::{Expiration, Lifetime, Timestamp};
///
/// assert_eq!(Expiration::after(Timestamp::EPOCH, Lifetime::Forever), Expiration::Never);
/// ```
///
/// Lifetimes are ordered by their length:
///
/// ```
/// use merchant_otp_domain::Lifetime;
///
/// assert!(Lifetime::Seconds(2) < Lifetime::Seconds(10));
/// assert!(Lifetime::Seconds(u64::MAX) < Lifetime::Forever);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifetime {
    /// For this many seconds.
    Seconds(u64),
    /// Until it is revoked.
    Forever,
}

/// When something expires.
///
/// ```
/// use merchant_otp_domain::{Expiration, Lifetime, Timestamp};
///
/// let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
/// let end = Expiration::after(at(100), Lifetime::Seconds(30));
/// assert_eq!(end, Expiration::At(at(130)));
/// assert!(!end.is_over(at(129)) && end.is_over(at(130)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// It does not expire; it is valid until it is revoked.
    Never,
    /// At this point in time: it is valid before, and no longer from then on.
    At(Timestamp),
}

impl Expiration {
    /// The end of a lifetime that begins at `now`, limited to [`Timestamp::MAX_SECONDS`].
    #[must_use]
    pub fn after(now: Timestamp, lifetime: Lifetime) -> Self {
        match lifetime {
            Lifetime::Forever => Self::Never,
            Lifetime::Seconds(seconds) => {
                Self::At(Timestamp::saturating(now.0.saturating_add(seconds)))
            }
        }
    }

    /// Whether it has expired at `now`.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        match self {
            Self::Never => false,
            Self::At(end) => now >= end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_ends_on_the_second() {
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let end = Expiration::after(at(100), Lifetime::Seconds(30));
        assert_eq!(end, Expiration::At(at(130)));
        assert!(!end.is_over(at(129)));
        assert!(end.is_over(at(130)));
        assert!(end.is_over(at(131)));
    }

    #[test]
    fn forever_never_ends_and_nothing_overflows() {
        let last = Timestamp::from_seconds(Timestamp::MAX_SECONDS).unwrap();
        assert_eq!(Timestamp::from_seconds(1 << 53), Err(TimestampError));
        assert!(!Expiration::after(last, Lifetime::Forever).is_over(last));
        assert_eq!(Expiration::after(last, Lifetime::Seconds(u64::MAX)), Expiration::At(last));
    }
}
