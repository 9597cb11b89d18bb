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

/// How long a hash waits for a permit.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most hashes of one instance that wait or run at a time.
///
/// Permits are handed out in the order of asking: no instance can take more than these from the
/// others.
const MAX_PER_INSTANCE: usize = 8;

/// Hashes and checks passwords, a few at a time.
///
/// Each keeps a processor busy (50 ms, the median of 15 runs on a virtual machine with 2) and takes
/// 46 MiB of memory meanwhile. So there are at the most two at a time, and where there is more than
/// one processor, one at least is left to those who are logged in.
pub(crate) struct PasswordHasher {
    permits: Arc<Semaphore>,
    /// The number of hashes of each instance that wait or run.
    per_instance: Arc<Mutex<HashMap<InstanceId, usize>>>,
    pub(crate) throttle: LogInThrottle,
}

impl PasswordHasher {
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let permits = Arc::new(Semaphore::new((processors / 2).clamp(1, 2)));
        Self { permits, per_instance: Arc::default(), throttle: LogInThrottle::default() }
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

    /// Verifies a password without a limit of attempts.
    pub(crate) async fn verify(
        &self,
        instance: &InstanceId,
        hash: PasswordHash,
        password: Password,
    ) -> Result<bool, Error> {
        self.acquire(instance).await?.run(move || hash.verifies(&password)).await
    }
}

/// One of the hashes that an instance may have waiting or running; refunded on drop.
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

/// The permit to keep a processor busy with one hash.
pub(crate) struct HashPermit {
    _permit: OwnedSemaphorePermit,
    _quota: InstanceQuota,
}

impl HashPermit {
    /// Runs on a thread that may block. The permit is kept until the work ends: a caller that is
    /// dropped does not free it.
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
