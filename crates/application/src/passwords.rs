use std::net::IpAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use merchant_otp_domain::{InstanceId, Password, PasswordHash, Permission, Scope};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::log_in_throttle::LogInThrottle;
use crate::retry::retry_contention;
use crate::{Error, Grant, LogIn, Refusal, Service};

/// How long work on a password waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// Hashes and checks passwords, a few at a time.
///
/// Each keeps a processor busy (50 ms, the median of 15 runs on a virtual machine with 2) and takes
/// 46 MiB of memory meanwhile. So there are at the most two at a time, and where there is more than one
/// processor, one at least is left to those who are logged in.
pub(crate) struct PasswordWork {
    places: Arc<Semaphore>,
    pub(crate) throttle: LogInThrottle,
}

impl PasswordWork {
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let places = Arc::new(Semaphore::new((processors / 2).clamp(1, 2)));
        Self { places, throttle: LogInThrottle::default() }
    }

    /// Waits for a place to work at.
    async fn place(&self) -> Result<Place, Error> {
        match timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            Ok(Err(_)) | Err(_) => Err(Error::TooManyLogIns { retry_after: WAIT }),
        }
    }

    /// Hashes a password.
    pub(crate) async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(Error::NoRandomness)?;
        self.place().await?.work(move || password.hash(salt)).await
    }

    /// Checks a password that nobody is kept from guessing.
    pub(crate) async fn is_of(
        &self,
        hash: PasswordHash,
        password: Password,
    ) -> Result<bool, Error> {
        self.place().await?.work(move || hash.is_of(&password)).await
    }
}

/// The right to keep a processor busy.
struct Place(OwnedSemaphorePermit);

impl Place {
    /// Works on a thread that may block. The place goes with the work: a caller who gives up does not
    /// free it.
    async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = self.0;
        let work = spawn_blocking(move || {
            let _place = place;
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
    /// [`Error::Unauthorized`], [`Error::PasswordWork`] or [`Error::Storage`].
    pub async fn log_in_with_password(
        &self,
        instance: &InstanceId,
        user: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<LogIn, Error> {
        self.stored_instance(instance).await?;
        let PasswordWork { throttle, .. } = &self.passwords;
        // Who is to be refused need not wait for it.
        throttle.check(instance, address)?;
        let place = self.passwords.place().await?;
        // Only now: the password may have been changed while others were checked.
        let stored = self.stored_instance(instance).await?.password;
        let attempt = throttle.attempt(instance, address)?;
        let has_password = stored.is_some();
        let hash = stored.unwrap_or_else(PasswordHash::decoy);
        let is_right = place.work(move || hash.is_of(&password)).await?;
        if !is_right || !has_password || user != instance.as_str() {
            return Err(Error::Unauthorized(Refusal::Password));
        }
        attempt.succeeded();
        Ok(LogIn::new(instance.clone(), Scope::All))
    }

    /// Gives the instance of the grant a password, in the place of the one it may have.
    ///
    /// Access tokens that were issued before stay valid.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::InstancesAuthWrite`], [`Error::InstanceUnknown`], [`Error::InstanceDeleted`],
    /// [`Error::TooManyLogIns`] if too many passwords are worked on, [`Error::PasswordWork`],
    /// [`Error::NoRandomness`] or [`Error::Storage`].
    pub async fn set_password(&self, grant: &Grant, password: Password) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::InstancesAuthWrite)?;
        self.stored_instance(instance).await?;
        let hash = self.passwords.hash(password).await?;
        let set = async || self.stores.instances.set_password(instance, hash.clone()).await;
        self.changed(instance, retry_contention(set).await?).await
    }
}
