//! The limit of connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits the connections that a transport serves at a time.
///
/// A transport acquires a permit before it accepts a connection. Excess clients wait in the backlog
/// of the operating system, and cost the service nothing.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use merchant_otp_transport_kit::ConnectionPermits;
///
/// let permits = ConnectionPermits::new(1000);
/// let permit = permits.acquire().await;
/// // Accept and serve one connection.
/// drop(permit);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionPermits(Arc<Semaphore>);

impl ConnectionPermits {
    /// Creates permits for `max_connections` connections at a time.
    #[must_use]
    pub fn new(max_connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until another connection may be served.
    pub async fn acquire(&self) -> ConnectionPermit {
        // The semaphore is never closed, so this is always a permit.
        ConnectionPermit { _permit: Arc::clone(&self.0).acquire_owned().await.ok() }
    }
}

/// A permit to serve one connection, released on drop.
#[derive(Debug)]
pub struct ConnectionPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_connection_waits_for_the_end_of_another() {
        let permits = ConnectionPermits::new(2);
        let (first, _second) = (permits.acquire().await, permits.acquire().await);
        let brief = Duration::from_millis(10);
        assert!(timeout(brief, permits.acquire()).await.is_err());
        drop(first);
        assert!(timeout(brief, permits.acquire()).await.is_ok());
    }
}
