//! Retries of contended store operations.

use std::time::Duration;

use merchant_otp_ports::StoreError;

/// The maximum number of attempts, including the first.
const ATTEMPTS: u32 = 4;

/// The maximum number of attempts to change a device or an instance that other requests change
/// concurrently.
///
/// Of several concurrent attempts one succeeds, and the pauses spread the others. This is enough
/// for 64 concurrent changes of one device, with a margin.
pub(crate) const CHANGE_ATTEMPTS: u32 = 64;

/// The maximum pause after the first attempt. It doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The maximum pause doubles this many times, up to 320 ms.
const MAX_DOUBLINGS: u32 = 4;

/// Executes a store operation, and retries it while concurrent transactions conflict with it.
///
/// The pauses are random, so that two conflicting operations do not collide again.
///
/// Written by hand: `backon` and `tokio-retry` would replace ten lines, but need the condition at
/// each call.
pub(crate) async fn retry_contention<T, F>(operation: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for attempt in 1..ATTEMPTS {
        match operation().await {
            Err(StoreError::Contention(cause)) => {
                tracing::debug!(
                    attempt,
                    cause = &*cause as &dyn std::error::Error,
                    "operation contended; retrying"
                );
            }
            done => return done,
        }
        pause(attempt).await;
    }
    operation().await
}

/// Sleeps for a random time after an attempt. Attempts are numbered from 1.
pub(crate) async fn pause(attempt: u32) {
    let longest = FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(MAX_DOUBLINGS));
    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;

    /// Retries an operation that fails `failures` times before it succeeds. Returns how often it
    /// ran.
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
    async fn contention_is_retried_a_few_times() {
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
