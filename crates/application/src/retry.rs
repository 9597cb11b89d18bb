//! Retries of contended store operations.

use std::time::Duration;

use merchant_otp_ports::StoreError;

/// The most attempts of an operation, the first one included.
const ATTEMPTS: u32 = 4;

/// The longest pause after the first attempt, in a series that doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// After this many attempts the longest pause no longer doubles: it is 320 ms from there on.
const MAX_DOUBLINGS: u32 = 4;

/// Executes a store operation, and repeats it while concurrent transactions conflict with it.
///
/// The pauses are random, so that two operations that conflicted do not meet again.
///
/// By hand: `backon` and `tokio-retry` would replace ten lines, and need the condition spelled out
/// for each call.
pub(crate) async fn retry_contention<T, F>(operation: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for attempt in 1..ATTEMPTS {
        match operation().await {
            Err(StoreError::Contention(cause)) => {
                tracing::debug!(attempt, cause = &*cause as &dyn std::error::Error, "contention");
            }
            done => return done,
        }
        pause(attempt).await;
    }
    operation().await
}

/// Waits for a random time after the attempt of this number, from 1.
pub(crate) async fn pause(attempt: u32) {
    let longest = FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(MAX_DOUBLINGS));
    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;

    /// An operation that fails a number of times before it succeeds; returns how often it ran.
    async fn attempts(failures: u32, error: fn() -> StoreError) -> (u32, Result<(), StoreError>) {
        let runs = Cell::new(0);
        let result = retry_contention(|| {
            runs.set(runs.get() + 1);
            ready(if runs.get() <= failures { Err(error()) } else { Ok(()) })
        })
        .await;
        (runs.get(), result)
    }

    #[tokio::test(start_paused = true)]
    async fn contention_is_tried_again_a_few_times() {
        let contention = || StoreError::Contention("busy".into());
        assert!(matches!(attempts(0, contention).await, (1, Ok(()))));
        assert!(matches!(attempts(3, contention).await, (4, Ok(()))));
        let given_up = attempts(u32::MAX, contention).await;
        assert!(matches!(given_up, (4, Err(StoreError::Contention(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_are_final() {
        for error in [
            || StoreError::Unavailable("down".into()),
            || StoreError::Read("broken".into()),
            || StoreError::Write("full".into()),
            || StoreError::Corrupt("odd".into()),
        ] {
            assert!(matches!(attempts(1, error).await, (1, Err(_))));
        }
    }
}
