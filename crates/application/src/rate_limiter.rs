//! Rate limits per key.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How often something is permitted: `burst` times at once, and once more per `interval`.
#[derive(Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) burst: u32,
    pub(crate) interval: Duration,
}

/// Limits how often something happens, for each key.
///
/// This is the generic cell rate algorithm: each key has a bucket, which a permit fills by one and
/// which leaks one per interval. A bucket is stored as the time at which it is empty. `governor`
/// has the same algorithm, but cannot refund a permit.
pub(crate) struct RateLimiter<K> {
    quota: Quota,
    /// The maximum number of keys. When the table is full of buckets that are not empty, other keys
    /// are not limited.
    capacity: usize,
    empty_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> RateLimiter<K> {
    pub(crate) fn new(quota: Quota, capacity: usize) -> Self {
        Self { quota, capacity, empty_at: HashMap::new() }
    }

    /// Returns how long to wait until a permit is available for a key; `None` if one is available.
    /// Acquires none.
    pub(crate) fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let filled = self.empty_at.get(key)?.saturating_duration_since(now);
        let full = self.quota.interval * (self.quota.burst - 1);
        filled.checked_sub(full).filter(|wait| !wait.is_zero())
    }

    /// Acquires a permit for a key, whether one is available or not.
    pub(crate) fn acquire(&mut self, key: K, now: Instant) {
        if self.empty_at.len() >= self.capacity && !self.empty_at.contains_key(&key) {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
            if self.empty_at.len() >= self.capacity {
                return;
            }
        }
        let empty_at = self.empty_at.entry(key).or_insert(now);
        *empty_at = (*empty_at).max(now) + self.quota.interval;
    }

    /// Refunds the last permit of a key.
    pub(crate) fn refund(&mut self, key: &K) {
        if let Some(empty_at) = self.empty_at.get_mut(key) {
            *empty_at = empty_at.checked_sub(self.quota.interval).unwrap_or(*empty_at);
        }
    }

    /// The number of keys in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.empty_at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { burst: 3, interval: Duration::from_secs(10) };

    /// Acquires permits for a key while they are available. Returns their number.
    fn exhaust(limiter: &mut RateLimiter<&'static str>, key: &'static str, now: Instant) -> u32 {
        let mut permits = 0;
        while limiter.wait(&key, now).is_none() && permits < 100 {
            limiter.acquire(key, now);
            permits += 1;
        }
        permits
    }

    #[test]
    fn a_burst_is_permitted_and_then_one_per_interval() {
        let (mut limiter, start) = (RateLimiter::new(QUOTA, 10), Instant::now());
        assert_eq!(exhaust(&mut limiter, "a", start), 3);
        assert_eq!(exhaust(&mut limiter, "b", start), 3);
        assert_eq!(limiter.wait(&"a", start), Some(Duration::from_secs(10)));
        let later = start + Duration::from_secs(9);
        assert_eq!(limiter.wait(&"a", later), Some(Duration::from_secs(1)));
        assert_eq!(exhaust(&mut limiter, "a", start + Duration::from_secs(10)), 1);
        assert_eq!(exhaust(&mut limiter, "a", start + Duration::from_secs(1000)), 3);
    }

    #[test]
    fn a_refund_makes_a_permit_available() {
        let (mut limiter, start) = (RateLimiter::new(QUOTA, 10), Instant::now());
        exhaust(&mut limiter, "a", start);
        limiter.refund(&"a");
        limiter.refund(&"unknown");
        assert_eq!(exhaust(&mut limiter, "a", start), 1);
    }

    #[test]
    fn empty_buckets_make_room_for_other_keys() {
        let (mut limiter, start) = (RateLimiter::new(QUOTA, 2), Instant::now());
        exhaust(&mut limiter, "a", start);
        exhaust(&mut limiter, "b", start);
        assert_eq!(exhaust(&mut limiter, "c", start), 100, "it does not fit, and is not limited");
        assert_eq!(limiter.len(), 2);
        let later = start + Duration::from_mins(1);
        assert_eq!(exhaust(&mut limiter, "c", later), 3);
        assert_eq!(limiter.len(), 1);
    }
}
