use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use merchant_otp_ports::{Cause, StoreError};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::Failure;
use crate::watchdog::Watchdog;

/// How long a unit of work waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// How many units of work wait for their turn at the most; more are refused at once.
const MOST_WAITING: usize = 1024;

/// How a [`Door`] comes to its connections.
pub trait Connector: Send + Sync + 'static {
    /// A connection, used by one unit of work at a time.
    type Connection: Send + 'static;

    /// Opens a connection; may block.
    ///
    /// # Errors
    ///
    /// The cause, without the database URL or a password.
    fn connect(&self) -> Result<Self::Connection, Cause>;

    /// Whether a connection that was used before still leads to the database; may block.
    fn is_usable(&self, connection: &mut Self::Connection) -> bool;

    /// What makes a unit of work on the connection fail at once, if it does not end by itself.
    ///
    /// For databases that answer over a network, which may not answer at all.
    fn interrupter(&self, connection: &Self::Connection) -> Option<Interrupter>;

    /// Whether a database error says that somebody else was in the way.
    fn is_contention(kind: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> bool;
}

/// Breaks a connection, so that whoever waits for an answer on it hears of it.
pub type Interrupter = Box<dyn FnOnce() + Send>;

/// The one way to a database: at most so many connections, each with at most one unit of work, on a
/// thread that may block.
///
/// A unit of work that was begun runs to its end, whatever becomes of the future that waits for it,
/// and keeps its place until then.
pub struct Door<C: Connector> {
    inside: Arc<Inside<C>>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    runtime: Handle,
}

impl<C: Connector> Door<C> {
    /// Opens the door; no connection is made before the first unit of work.
    ///
    /// `runtime` is where units of work find their threads; it has to outlive the door.
    #[must_use]
    pub fn new(connector: C, connections: u16, runtime: Handle) -> Self {
        let places = Arc::new(Semaphore::new(connections.into()));
        let watchdog = Watchdog::new(&runtime);
        let inside = Inside { connector, idle: Mutex::new(Vec::new()), watchdog };
        Self { inside: Arc::new(inside), places, waiting: AtomicUsize::new(0), runtime }
    }

    /// Runs a unit of work on a connection.
    ///
    /// # Errors
    ///
    /// [`StoreError`], from what the unit of work was doing when it failed.
    pub async fn run<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut C::Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.place().await?;
        let inside = Arc::clone(&self.inside);
        let work = self.runtime.spawn_blocking(move || {
            // The place goes with the work, not with the caller: who gives up frees nothing.
            let _place = place;
            inside.run(unit)
        });
        match work.await {
            Ok(result) => result,
            Err(stopped) if stopped.is_cancelled() => Err(StoreError::Unavailable(stopped.into())),
            Err(panicked) => Err(StoreError::Write(panicked.into())),
        }
    }

    /// The same, on the thread of the caller, which may block.
    ///
    /// # Errors
    ///
    /// As [`Door::run`].
    ///
    /// # Panics
    ///
    /// If the unit of work does.
    pub(crate) async fn run_here<T>(
        &self,
        unit: impl FnOnce(&mut C::Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        // Those who run a lane are few: they are not among those that are too many.
        let _place = self.place_in_turn().await?;
        self.inside.run(unit)
    }

    /// Waits for a place, unless too many do.
    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let _waiting = Waiting::among(&self.waiting)?;
        self.place_in_turn().await
    }

    /// Waits for a place.
    async fn place_in_turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let begin = Instant::now();
        let place = timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        metrics::histogram!("merchant_otp_database_wait_seconds").record(begin.elapsed());
        match place {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(closed)) => Err(StoreError::Unavailable(closed.into())),
            Err(_) => Err(StoreError::Busy(Late.into())),
        }
    }
}

/// One of those that wait for a place, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicUsize) -> Result<Self, StoreError> {
        let this = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            return Err(StoreError::Busy("too many wait for a connection".into()));
        }
        Ok(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the threads of the units of work share.
struct Inside<C: Connector> {
    connector: C,
    /// Last in, first out: a few warm connections serve a quiet shop.
    idle: Mutex<Vec<C::Connection>>,
    watchdog: Watchdog,
}

impl<C: Connector> Inside<C> {
    fn run<T>(
        &self,
        unit: impl FnOnce(&mut C::Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().map_err(StoreError::Unavailable)?;
        let interrupter = self.connector.interrupter(&connection);
        let watch = interrupter.map(|interrupter| self.watchdog.watch(interrupter));
        // A unit of work that panics takes its connection with it.
        let result = unit(&mut connection).map_err(store_error::<C>);
        // Before somebody else has the connection.
        drop(watch);
        // After a failure the connection may be broken and not know it yet.
        if !matches!(result, Err(StoreError::Read(_) | StoreError::Write(_))) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        result
    }

    /// A connection that was used before, or a new one.
    fn connection(&self) -> Result<C::Connection, Cause> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                None => return self.connector.connect(),
                Some(mut connection) => {
                    if self.connector.is_usable(&mut connection) {
                        return Ok(connection);
                    }
                }
            }
        }
    }
}

#[derive(Debug, Error)]
#[error("no connection became free within {} s", WAIT.as_secs())]
struct Late;

/// What a failure is to whoever asked, and counts it.
#[must_use]
pub fn store_error<C: Connector>(failure: Failure) -> StoreError {
    let (kind, error) = match failure {
        Failure::Read(error) | Failure::Write(error) if is_contention::<C>(&error) => {
            ("contention", StoreError::Contention(error.into()))
        }
        Failure::Read(error @ Error::DeserializationError(_)) => {
            ("corrupt", StoreError::Corrupt(error.into()))
        }
        Failure::Read(error) => ("read", StoreError::Read(error.into())),
        Failure::Write(error) => ("write", StoreError::Write(error.into())),
        Failure::Contention(cause) => ("contention", StoreError::Contention(cause)),
        Failure::Corrupt(cause) => ("corrupt", StoreError::Corrupt(cause)),
    };
    metrics::counter!("merchant_otp_database_errors_total", "kind" => kind).increment(1);
    error
}

fn is_contention<C: Connector>(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(kind, information) => C::is_contention(kind, &**information),
        _ => false,
    }
}
