//! The errors of stores.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use thiserror::Error;

/// The cause of a failure: for the log, never for a client.
///
/// It must not contain a secret: no key, token, password or database URL. Clones share the error,
/// so that a batch can report one failure to each of its requests.
///
/// ```
/// use merchant_otp_ports::{Cause, StoreError};
///
/// let from_text = StoreError::Busy("too many requests are queued".into());
/// let from_error = StoreError::Write(std::io::Error::other("disk full").into());
/// assert_eq!(from_text.to_string(), "too many requests wait for the database");
/// assert!(std::error::Error::source(&from_error.clone()).is_some());
/// # let _: Cause = "shared".into();
/// ```
#[derive(Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(error.into().into())
    }
}

impl Deref for Cause {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// Error of a store operation.
///
/// An adapter maps the errors of its database:
///
/// ```
/// use merchant_otp_ports::{Cause, StoreError};
///
/// fn store_error(sqlstate: &str, cause: Cause) -> StoreError {
///     match sqlstate {
///         // Serialization failure and deadlock.
///         "40001" | "40P01" => StoreError::Contention(cause),
///         _ => StoreError::Write(cause),
///     }
/// }
///
/// let error = store_error("40P01", "deadlock detected".into());
/// assert!(matches!(error, StoreError::Contention(_)));
/// ```
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The operation was not started: there is no connection, or no transaction.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The operation was not started: too many requests are queued for the database.
    #[error("too many requests wait for the database")]
    Busy(#[source] Cause),
    /// Reading failed.
    #[error("reading from the database failed")]
    Read(#[source] Cause),
    /// Writing or committing failed.
    ///
    /// The outcome is unknown if the connection broke during the commit.
    #[error("writing to the database failed")]
    Write(#[source] Cause),
    /// A concurrent transaction conflicted; the operation may be retried.
    ///
    /// Covers serialization failures, deadlocks, and locks that were not released in time.
    #[error("the database was contended")]
    Contention(#[source] Cause),
    /// The database holds data that no version of the service writes.
    #[error("the database holds invalid data")]
    Corrupt(#[source] Cause),
}

/// The result of a store operation.
pub type StoreResult<T> = Result<T, StoreError>;
