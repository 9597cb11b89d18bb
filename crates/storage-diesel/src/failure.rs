use merchant_otp_ports::Cause;
use thiserror::Error;

/// What a unit of work was doing when it failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// It was reading.
    #[error("reading failed: {0}")]
    Read(diesel::result::Error),
    /// It was writing or committing.
    #[error("writing failed: {0}")]
    Write(diesel::result::Error),
    /// It found that somebody else was in the way.
    #[error(transparent)]
    Contention(Cause),
    /// It read what no version of the service writes.
    #[error(transparent)]
    Corrupt(Cause),
}

/// A transaction that changes something fails so, whichever statement of it does.
impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Self {
        Self::Write(error)
    }
}

impl Failure {
    /// A row that does not make a value of the domain; says which rule is broken, not by what.
    pub fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Corrupt(Box::new(error))
    }
}
