use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use merchant_otp_domain::{
    Actor, AuditEvent, InstanceId, Operation, Outcome, Password, PasswordHash, Permission, Scope,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::audit::Caller;
use crate::log_in_throttle::LogInThrottle;
use crate::retry::retry_contention;
use crate::{Error, Grant, LogIn, Refusal, Service};

/// How long work on a password waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// How much work of one instance waits or is done at a time.
///
/// Turns come in the order of asking: an instance that asks all the time leaves the others all but these.
const MOST_OF_INSTANCE: usize = 8;

/// Hashes and checks passwords, a few at a time.
///
/// Each keeps a processor busy (50 ms, the median of 15 runs on a virtual machine with 2) and takes
/// 46 MiB of memory meanwhile. So there are at the most two at a time, and where there is more than one
/// processor, one at least is left to those who are logged in.
pub(crate) struct PasswordWork {
    places: Arc<Semaphore>,
    /// How much work of each instance waits or is done.
    of_instances: Arc<Mutex<HashMap<InstanceId, usize>>>,
    pub(crate) throttle: LogInThrottle,
}

impl PasswordWork {
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let places = Arc::new(Semaphore::new((processors / 2).clamp(1, 2)));
        Self { places, of_instances: Arc::default(), throttle: LogInThrottle::default() }
    }

    /// Waits for a place to work at for an instance.
    async fn place(&self, instance: &InstanceId) -> Result<Place, Error> {
        let share = Share::of(&self.of_instances, instance)?;
        match timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit, _share: share }),
            Ok(Err(_)) | Err(_) => Err(Error::TooManyPasswords { retry_after: WAIT }),
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
        self.place(instance).await?.work(move || password.hash(salt)).await
    }

    /// Checks a password that nobody is kept from guessing.
    pub(crate) async fn is_of(
        &self,
        instance: &InstanceId,
        hash: PasswordHash,
        password: Password,
    ) -> Result<bool, Error> {
        self.place(instance).await?.work(move || hash.is_of(&password)).await
    }
}

/// One of the pieces of work that an instance may ask for at a time; given back when dropped.
struct Share {
    of_instances: Arc<Mutex<HashMap<InstanceId, usize>>>,
    instance: InstanceId,
}

impl Share {
    fn of(
        of_instances: &Arc<Mutex<HashMap<InstanceId, usize>>>,
        instance: &InstanceId,
    ) -> Result<Self, Error> {
        let mut counts = of_instances.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(instance.clone()).or_default();
        if *count >= MOST_OF_INSTANCE {
            return Err(Error::TooManyPasswords { retry_after: Duration::from_secs(1) });
        }
        *count += 1;
        Ok(Self { of_instances: Arc::clone(of_instances), instance: instance.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.of_instances.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.instance) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.instance)),
        }
    }
}

/// The right to keep a processor busy.
struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

impl Place {
    /// Works on a thread that may block. The place goes with the work: a caller who gives up does not
    /// free it.
    async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let work = spawn_blocking(move || {
            let _place = self;
            work()
        });
        work.await.map_err(Error::PasswordWork)
    }
}

impl Service {
    /// Logs in to an instance by its password; `user` has to be its id.
    ///
    /// Attempts that fail are slowed, per instance and per address of the client, which is `None` if it
    /// is not known. A refusal does not tell, not by its time either, whether the instance has a
    /// password.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::TooManyLogIns`],
    /// [`Error::TooManyPasswords`], [`Error::Unauthorized`], [`Error::PasswordWork`] or
    /// [`Error::Storage`].
    pub async fn log_in_with_password(
        &self,
        instance: &InstanceId,
        user: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<LogIn, Error> {
        match self.check_password(instance, user, password, address).await {
            Ok(()) => {
                let caller = Caller { actor: Actor::Password, address };
                Ok(LogIn::new(instance.clone(), Scope::All, caller))
            }
            Err(error) => {
                let event = self.event(Caller::unknown(address), instance, Operation::LogIn);
                Err(self.refused(event, error).await)
            }
        }
    }

    async fn check_password(
        &self,
        instance: &InstanceId,
        user: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let stored = self.stored_instance(instance).await?.password;
        let throttle = &self.passwords.throttle;
        // Who is to be refused need not wait for it.
        throttle.check(instance, stored.as_ref(), address)?;
        let place = self.passwords.place(instance).await?;
        // Again: the password may have been changed while others were checked.
        let stored = self.stored_instance(instance).await?.password;
        let attempt = throttle.attempt(instance, stored.as_ref(), address)?;
        let has_password = stored.is_some();
        let hash = stored.unwrap_or_else(PasswordHash::decoy);
        let is_right = place.work(move || hash.is_of(&password)).await?;
        if !is_right || !has_password || user != instance.as_str() {
            return Err(Error::Unauthorized(Refusal::Password));
        }
        attempt.succeeded();
        Ok(())
    }

    /// Gives the instance of the grant a password, in the place of the one it may have.
    ///
    /// Access tokens that were issued before stay valid.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesAuthWrite`], [`Error::InstanceUnknown`], [`Error::InstanceDeleted`],
    /// [`Error::TooManyPasswords`], [`Error::PasswordWork`], [`Error::NoRandomness`] or
    /// [`Error::Storage`].
    pub async fn set_password(&self, grant: &Grant, password: Password) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::InstancesAuthWrite)?;
        let event = self.event(grant.caller(), instance, Operation::SetPassword);
        let set = self.replace_password(instance, password, &event).await;
        self.conclude(event, set).await
    }

    async fn replace_password(
        &self,
        instance: &InstanceId,
        password: Password,
        event: &AuditEvent,
    ) -> Result<Outcome, Error> {
        self.stored_instance(instance).await?;
        let hash = self.passwords.hash(instance, password).await?;
        let set = || self.stores.instances.set_password(instance, hash.clone(), event);
        self.changed(instance, retry_contention(set).await?).await
    }
}
