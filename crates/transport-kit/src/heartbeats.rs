//! Heartbeats of the worker threads of a transport.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

/// Shows whether each worker thread of a transport makes progress, for the watchdog of a service
/// manager.
///
/// A transport spawns [`Heartbeats::answer`] on the runtime of each worker. The heartbeat needs
/// neither a socket nor the database, so it depends on nothing but the worker.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use merchant_otp_transport_kit::Heartbeats;
///
/// let heartbeats = Heartbeats::default();
/// tokio::spawn(heartbeats.answer());
/// assert!(heartbeats.begin_round());
/// // The runtime had no time to answer.
/// assert!(!heartbeats.begin_round());
/// tokio::task::yield_now().await;
/// assert!(heartbeats.begin_round());
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Rounds>);

#[derive(Debug, Default)]
struct Rounds {
    current: watch::Sender<u64>,
    /// The last round that each worker answered.
    answered: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Heartbeats {
    /// Begins a round. Returns whether each worker answered the last one.
    ///
    /// A worker that ended is not waited for.
    #[must_use]
    pub fn begin_round(&self) -> bool {
        let last = *self.0.current.borrow();
        let mut answered = self.0.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|worker| worker.strong_count() > 0);
        let is_alive =
            |worker: &Weak<_>| worker.upgrade().is_none_or(|round| is_answered(&round, last));
        let all_alive = answered.iter().all(is_alive);
        drop(answered);
        self.0.current.send_replace(last.wrapping_add(1));
        all_alive
    }

    /// Answers each round, until dropped. To be spawned on the runtime of a worker.
    ///
    /// The worker counts from the call on, even if its runtime never polls the future.
    pub fn answer(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut current = self.0.current.subscribe();
        let answered = Arc::new(AtomicU64::new(*current.borrow_and_update()));
        let mut workers = self.0.answered.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::downgrade(&answered));
        drop(workers);
        async move {
            while current.changed().await.is_ok() {
                answered.store(*current.borrow_and_update(), Ordering::Relaxed);
            }
        }
    }
}

fn is_answered(round: &AtomicU64, last: u64) -> bool {
    round.load(Ordering::Relaxed) == last
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn one_blocked_worker_is_noticed_and_a_worker_that_ended_is_not_waited_for() {
        let heartbeats = Heartbeats::default();
        let [one, other] =
            [(), ()].map(|()| Builder::new_current_thread().build().expect("a runtime"));
        one.spawn(heartbeats.answer());
        other.spawn(heartbeats.answer());
        // Gives the workers time for what they have to do.
        let run = |worker: &tokio::runtime::Runtime| worker.block_on(async { yield_now().await });
        assert!(heartbeats.begin_round());
        run(&one);
        run(&other);
        assert!(heartbeats.begin_round());
        run(&one);
        assert!(!heartbeats.begin_round());
        run(&one);
        run(&other);
        assert!(heartbeats.begin_round());
        drop(other);
        run(&one);
        assert!(heartbeats.begin_round());
    }
}
