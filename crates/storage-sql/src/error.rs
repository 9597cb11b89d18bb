//! Mapping of diesel errors to store errors.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use merchant_otp_ports::{Cause, StoreError};
use tokio::task::JoinError;

/// A failure of a unit of work, by what the unit was doing.
#[derive(Debug)]
pub enum Failure {
    /// A read failed.
    Read(Error),
    /// A write or a commit failed.
    Write(Error),
    /// A concurrent transaction conflicted.
    Contention(Cause),
    /// A row was read that no version of the service writes.
    Corrupt(Cause),
}

/// In a transaction that writes, the failure of any statement is a failed write.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Write(error)
    }
}

impl Failure {
    /// A row that is not a valid domain value. The error names the violated rule but not the value.
    pub fn corrupt(error: impl Into<Cause>) -> Self {
        Self::Corrupt(error.into())
    }
}

/// Maps a failure to a [`StoreError`] and counts it in `merchant_otp_database_errors_total`.
///
/// `is_contention` recognises database errors that are conflicts with concurrent transactions, in
/// addition to [`DatabaseErrorKind::SerializationFailure`].
#[must_use]
pub fn store_error(
    failure: Failure,
    is_contention: fn(&dyn DatabaseErrorInformation) -> bool,
) -> StoreError {
    let is_contention = |error: &Error| match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => is_contention(&**information),
        _ => false,
    };
    let (kind, error) = match failure {
        Failure::Read(error) | Failure::Write(error) if is_contention(&error) => {
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

/// The error of a unit of work whose task ended early, because its runtime ended or it panicked.
#[must_use]
pub fn task_error(ended: JoinError) -> StoreError {
    if ended.is_cancelled() {
        return StoreError::Unavailable(ended.into());
    }
    StoreError::Write(ended.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: DatabaseErrorKind, message: &str) -> Error {
        Error::DatabaseError(kind, Box::new(message.to_owned()))
    }

    fn mapped(failure: Failure) -> StoreError {
        store_error(failure, |information| information.message() == "busy")
    }

    #[test]
    fn a_failure_becomes_the_error_of_what_was_being_done() {
        let other = |message| error(DatabaseErrorKind::Unknown, message);
        assert!(matches!(mapped(Failure::Read(other("gone"))), StoreError::Read(_)));
        assert!(matches!(mapped(Failure::Write(other("full"))), StoreError::Write(_)));
        let serialization = || error(DatabaseErrorKind::SerializationFailure, "serialize");
        for failure in [
            Failure::Read(other("busy")),
            Failure::Write(other("busy")),
            Failure::Read(serialization()),
            Failure::Write(serialization()),
            Failure::Contention("conflict".into()),
        ] {
            assert!(matches!(mapped(failure), StoreError::Contention(_)));
        }
        let null = Error::DeserializationError("NULL".into());
        for failure in [Failure::corrupt("odd"), Failure::Read(null)] {
            assert!(matches!(mapped(failure), StoreError::Corrupt(_)));
        }
    }
}
