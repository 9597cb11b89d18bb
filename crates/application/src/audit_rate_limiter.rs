//! The rate limit of refusals in the audit trail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use merchant_otp_domain::{Actor, AuditEvent, InstanceId};
use tokio::time::Instant;

use crate::rate_limiter::{Quota, RateLimiter};

/// The quota of one instance, for authenticated and for unknown clients each. It bounds the
/// refusals that the database has to keep.
const PER_INSTANCE: Quota = Quota { burst: 60, interval: Duration::from_secs(1) };

/// The quota of all instances together, for authenticated and for unknown clients each. Each
/// recorded refusal is a transaction.
const GLOBAL: Quota = Quota { burst: 300, interval: Duration::from_millis(50) };

/// The maximum number of keys in each per-instance table.
const MAX_INSTANCES: usize = 10_000;

/// Limits the rate at which refusals are recorded in the audit trail.
///
/// Refusals of unknown clients have separate quotas, so that they do not displace those of
/// authenticated clients.
pub(crate) struct AuditRateLimiter(Mutex<State>);

struct State {
    per_instance: RateLimiter<Key>,
    global: RateLimiter<bool>,
    /// The number of unrecorded refusals since the last recorded one.
    unrecorded: HashMap<Key, u32>,
}

/// The instance, and whether the client is unknown.
type Key = (InstanceId, bool);

impl Default for AuditRateLimiter {
    fn default() -> Self {
        Self(Mutex::new(State {
            per_instance: RateLimiter::new(PER_INSTANCE, MAX_INSTANCES),
            global: RateLimiter::new(GLOBAL, 2),
            unrecorded: HashMap::new(),
        }))
    }
}

impl AuditRateLimiter {
    /// Acquires a permit to record a refusal. Returns the number of unrecorded refusals before it,
    /// or `None` if this one must not be recorded either.
    pub(crate) fn try_acquire(&self, event: &AuditEvent) -> Option<u32> {
        let (key, now) = (key(event), Instant::now());
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = state.per_instance.wait(&key, now).is_some();
        if is_over || state.global.wait(&key.1, now).is_some() {
            state.count_unrecorded(key, 1);
            return None;
        }
        state.global.acquire(key.1, now);
        let unrecorded = state.unrecorded.remove(&key).unwrap_or_default();
        state.per_instance.acquire(key, now);
        Some(unrecorded)
    }

    /// Counts a refusal whose event could not be stored, and the earlier ones that the event
    /// counts, as unrecorded.
    pub(crate) fn count_unrecorded(&self, event: &AuditEvent) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count_unrecorded(key(event), event.unrecorded.saturating_add(1));
    }
}

impl State {
    fn count_unrecorded(&mut self, key: Key, refusals: u32) {
        if self.unrecorded.len() < MAX_INSTANCES || self.unrecorded.contains_key(&key) {
            let unrecorded = self.unrecorded.entry(key).or_default();
            *unrecorded = unrecorded.saturating_add(refusals);
        }
    }
}

fn key(event: &AuditEvent) -> Key {
    (event.instance.clone(), event.actor == Actor::Unknown)
}
