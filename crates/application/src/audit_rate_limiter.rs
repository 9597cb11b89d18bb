use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use merchant_otp_domain::{Actor, AuditEvent, InstanceId};
use tokio::time::Instant;

use crate::pace::Pace;

/// For the refusals of one instance, of known and of unknown clients each: more may come than a
/// database should have to keep.
const PER_INSTANCE: Pace = Pace { burst: 60, interval: Duration::from_secs(1) };

/// For the refusals of all instances, of known and of unknown clients each: every one that is
/// recorded is a transaction.
const GLOBAL: Pace = Pace { burst: 300, interval: Duration::from_millis(50) };

/// The number of instances in the table from which on those without refusals are removed.
const MAX_INSTANCES: usize = 10_000;

/// Limits the rate at which refusals are recorded in the audit trail.
///
/// Refusals of unknown clients have quotas of their own, so that they do not displace those of known
/// ones.
#[derive(Default)]
pub(crate) struct AuditRateLimiter(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the buckets of all instances together are empty: of known clients, and of unknown ones.
    all_empty_at: [Option<Instant>; 2],
    of_instances: HashMap<(InstanceId, bool), Refusals>,
}

struct Refusals {
    empty_at: Instant,
    unrecorded: u32,
}

impl AuditRateLimiter {
    /// Counts a refusal; returns how many before it were not recorded, or `None` if it must not be
    /// recorded either.
    pub(crate) fn try_acquire(&self, event: &AuditEvent) -> Option<u32> {
        let now = Instant::now();
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [known, unknown] = &mut state.all_empty_at;
        let all_empty_at = if event.actor == Actor::Unknown { unknown } else { known };
        let all_empty_at = all_empty_at.get_or_insert(now);
        let all = &mut state.of_instances;
        if all.len() >= MAX_INSTANCES {
            all.retain(|_, refusals| refusals.empty_at > now || refusals.unrecorded > 0);
            if all.len() >= 2 * MAX_INSTANCES {
                all.clear();
            }
        }
        let refusals = all.entry(key(event)).or_insert(Refusals { empty_at: now, unrecorded: 0 });
        if PER_INSTANCE.wait(refusals.empty_at, now).is_some()
            || GLOBAL.wait(*all_empty_at, now).is_some()
        {
            refusals.unrecorded = refusals.unrecorded.saturating_add(1);
            return None;
        }
        refusals.empty_at = refusals.empty_at.max(now) + PER_INSTANCE.interval;
        *all_empty_at = (*all_empty_at).max(now) + GLOBAL.interval;
        Some(std::mem::take(&mut refusals.unrecorded))
    }

    /// Counts a refusal that could not be recorded, and those before it that its event counts.
    pub(crate) fn refund(&self, event: &AuditEvent) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusals) = state.of_instances.get_mut(&key(event)) {
            let lost = event.unrecorded.saturating_add(1);
            refusals.unrecorded = refusals.unrecorded.saturating_add(lost);
        }
    }
}

fn key(event: &AuditEvent) -> (InstanceId, bool) {
    (event.instance.clone(), event.actor == Actor::Unknown)
}
