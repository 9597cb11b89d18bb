use std::time::Duration;

use merchant_otp_ports::StoreError;

/// How often a unit of work is tried, the first time included.
const ATTEMPTS: u32 = 4;

/// The longest pause before the second attempt; it doubles from attempt to attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Does a unit of work, and does it again when others were in the way.
///
/// The pauses are random, so that those who were in each other's way do not meet again.
pub(crate) async fn retry_contention<T>(
    unit: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for attempt in 1..ATTEMPTS {
        match unit().await {
            Err(StoreError::Contention(cause)) => {
                tracing::debug!(attempt, cause = &*cause as &dyn std::error::Error, "contention");
            }
            done => return done,
        }
        pause(attempt).await;
    }
    unit().await
}

/// Waits for a random time after an attempt, at most twice as long as after the one before.
pub(crate) async fn pause(attempt: u32) {
    let longest = FIRST_PAUSE * 2_u32.pow(attempt - 1);
    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A unit of work that fails a number of times before it succeeds; answers how often it ran.
    async fn attempts(failures: u32, error: fn() -> StoreError) -> (u32, Result<(), StoreError>) {
        let runs = Cell::new(0);
        let result = retry_contention(async || {
            runs.set(runs.get() + 1);
            if runs.get() <= failures { Err(error()) } else { Ok(()) }
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
