//! Hashing of passwords, with a limit on processors and memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use merchant_otp_domain::{InstanceId, Password, PasswordHash};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Error;
use crate::log_in_throttle::LogInThrottle;
use crate::verified_passwords::VerifiedPasswords;

/// How long a hash waits for a permit.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of hashes of one instance that wait or run at a time.
///
/// Permits are granted in order of arrival, so one instance delays the others by no more than
/// these.
const MAX_PER_INSTANCE: usize = 8;

/// Hashes and verifies passwords, a few at a time.
///
/// A hash keeps a processor busy (50 ms, the median of 15 runs on a virtual machine with 2) and
/// uses 46 MiB of memory. At most two run at a time. With more than one processor, at least one is
/// left for other requests.
pub(crate) struct PasswordHasher {
    permits: Arc<Semaphore>,
    /// The number of hashes of each instance that wait or run.
    per_instance: Arc<Mutex<HashMap<InstanceId, usize>>>,
    pub(crate) throttle: LogInThrottle,
    pub(crate) verified: VerifiedPasswords,
}

impl PasswordHasher {
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let permits = Arc::new(Semaphore::new((processors / 2).clamp(1, 2)));
        Self {
            permits,
            per_instance: Arc::default(),
            throttle: LogInThrottle::default(),
            verified: VerifiedPasswords::default(),
        }
    }

    /// Acquires a permit to hash a password for this instance.
    pub(crate) async fn acquire(&self, instance: &InstanceId) -> Result<HashPermit, Error> {
        let quota = InstanceQuota::acquire(&self.per_instance, instance)?;
        match timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(HashPermit { _permit: permit, _quota: quota }),
            Ok(Err(_)) | Err(_) => Err(Error::TooManyPasswords { retry_after: ACQUIRE_TIMEOUT }),
        }
    }

    /// Hashes a password for an instance.
    pub(crate) async fn hash(
        &self,
        instance: &InstanceId,
        password: Password,
    ) -> Result<PasswordHash, Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(Error::NoRandomness)?;
        self.acquire(instance).await?.run(move || password.hash(salt)).await
    }

    /// Verifies a password without limiting the number of attempts.
    pub(crate) async fn verify(
        &self,
        instance: &InstanceId,
        hash: PasswordHash,
        password: Password,
    ) -> Result<bool, Error> {
        self.acquire(instance).await?.run(move || hash.verifies(&password)).await
    }
}

/// Counts one waiting or running hash of an instance; refunds it on drop.
struct InstanceQuota {
    per_instance: Arc<Mutex<HashMap<InstanceId, usize>>>,
    instance: InstanceId,
}

impl InstanceQuota {
    fn acquire(
        per_instance: &Arc<Mutex<HashMap<InstanceId, usize>>>,
        instance: &InstanceId,
    ) -> Result<Self, Error> {
        let mut counts = per_instance.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(instance.clone()).or_default();
        if *count >= MAX_PER_INSTANCE {
            return Err(Error::TooManyPasswords { retry_after: Duration::from_secs(1) });
        }
        *count += 1;
        Ok(Self { per_instance: Arc::clone(per_instance), instance: instance.clone() })
    }
}

impl Drop for InstanceQuota {
    fn drop(&mut self) {
        let mut counts = self.per_instance.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.instance) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.instance)),
        }
    }
}

/// A permit to run one hash.
pub(crate) struct HashPermit {
    _permit: OwnedSemaphorePermit,
    _quota: InstanceQuota,
}

impl HashPermit {
    /// Runs `work` on a blocking thread. The permit is held until the work ends, even if the caller
    /// is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let work = spawn_blocking(move || {
            let _permit = self;
            work()
        });
        work.await.map_err(Error::PasswordWork)
    }
}
