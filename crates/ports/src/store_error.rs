use thiserror::Error;

/// What an adapter knows about the cause of a failure: for the log, never for a client.
///
/// It must not contain a secret: no key, token, password or database URL.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do its work.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The work was not begun: no connection, or no transaction.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// More wait for the database than it serves in time; nothing was done.
    #[error("too many wait for the database")]
    Busy(#[source] Cause),
    /// Reading failed; nothing was changed.
    #[error("reading from the database failed")]
    Read(#[source] Cause),
    /// Writing or committing failed.
    ///
    /// Nothing was changed, unless the connection broke while the database committed.
    #[error("writing to the database failed")]
    Write(#[source] Cause),
    /// Somebody else was in the way; nothing was changed, and trying again is worth it.
    ///
    /// Serialization failures, deadlocks, locks that were not released in time.
    #[error("the database was contended")]
    Contention(#[source] Cause),
    /// The database holds what no version of the service writes.
    #[error("the database holds invalid data")]
    Corrupt(#[source] Cause),
}
