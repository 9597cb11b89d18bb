use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::Interrupter;

/// How long a unit of work may take on a connection that can be interrupted.
const UNIT: Duration = Duration::from_secs(15);

/// How often it is looked for units of work that take longer.
const LOOK: Duration = Duration::from_secs(1);

/// Interrupts units of work that do not end.
///
/// One task for all of them: a timer for each would wake a thread twice for every unit of work.
pub(crate) struct Watchdog(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    last: u64,
    /// In the order in which they began.
    units: BTreeMap<u64, (Instant, Interrupter)>,
}

/// A unit of work that is watched, until this is dropped.
pub(crate) struct Watch<'a> {
    watched: &'a Mutex<Watched>,
    number: u64,
}

impl Watchdog {
    pub(crate) fn new(runtime: &Handle) -> Self {
        let watched = Arc::default();
        runtime.spawn(look(Arc::downgrade(&watched)));
        Self(watched)
    }

    /// Watches a unit of work that begins now.
    pub(crate) fn watch(&self, interrupter: Interrupter) -> Watch<'_> {
        let mut watched = lock(&self.0);
        watched.last += 1;
        let number = watched.last;
        watched.units.insert(number, (Instant::now(), interrupter));
        Watch { watched: &self.0, number }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        lock(self.watched).units.remove(&self.number);
    }
}

/// Interrupts what takes too long, until the watchdog is dropped.
async fn look(watched: Weak<Mutex<Watched>>) {
    while let Some(watched) = watched.upgrade() {
        let overdue = {
            let mut watched = lock(&watched);
            let in_time = watched.units.iter().find(|(_, (begin, _))| begin.elapsed() < UNIT);
            let first_in_time = in_time.map_or(u64::MAX, |(number, _)| *number);
            let in_time = watched.units.split_off(&first_in_time);
            std::mem::replace(&mut watched.units, in_time)
        };
        for (_, interrupt) in overdue.into_values() {
            interrupt();
        }
        drop(watched);
        sleep(LOOK).await;
    }
}

/// Nothing panics between two changes.
fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}
