//! The log and the metrics of answered requests.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use merchant_otp_application::Error as UseCaseError;
use merchant_otp_taler_protocol::ErrorCode;

/// A request that was answered: one line of the log, and the counters.
///
/// Nothing in it is what a client sent, but for what is known: no path, no query, no instance that
/// does not exist.
pub struct AnsweredRequest<'a> {
    /// The method, for the log.
    pub method: &'a str,
    /// The method, for the metrics: one of a few names, whatever clients send.
    pub method_label: &'static str,
    /// The endpoint that the request was routed to; `none` if there is none.
    pub route: &'a str,
    /// The instance that the request addressed, if it exists ([`loggable_instance`]).
    pub instance: Option<&'a str>,
    /// The status, as the transport counts.
    pub status: u16,
    /// The code that a client was told.
    pub code: Option<ErrorCode>,
    /// Why the request was not answered with a success.
    pub error: Option<&'a dyn Error>,
    /// How long it took.
    pub duration: Duration,
    /// How much it matters.
    pub importance: Importance,
}

/// How much an answered request matters to who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Asked for all the time, such as the health of the service: `debug`.
    Probe,
    /// A success, or a mistake of a client: `info`.
    Request,
    /// A failure of the service: `error`.
    Failure,
}

impl AnsweredRequest<'_> {
    /// Writes the line, and counts.
    pub fn record(&self) {
        let Self { method, route, instance, status, .. } = *self;
        let code = self.code.map(ErrorCode::number);
        let cause = self.error.map(|error| tracing::field::display(Causes(error)));
        let duration = self.duration.as_secs_f64();
        macro_rules! answered {
            ($level:ident) => {
                tracing::$level!(method, route, instance, status, code, cause, duration, "answered")
            };
        }
        match self.importance {
            Importance::Probe => answered!(debug),
            Importance::Request => answered!(info),
            Importance::Failure => answered!(error),
        }
        metrics::counter!(
            "merchant_otp_requests_total",
            "method" => self.method_label,
            "route" => route.to_owned(),
            "status" => status.to_string(),
            "code" => code.map_or_else(String::new, |code| code.to_string()),
        )
        .increment(1);
        metrics::histogram!(
            "merchant_otp_request_duration_seconds",
            "method" => self.method_label,
            "route" => route.to_owned(),
        )
        .record(duration);
    }
}

/// The name of an instance for the log, by what a use case said of it.
///
/// What names no instance may be anything, a token in the wrong place among it.
pub fn loggable_instance<'a, T>(
    named: &'a str,
    result: &Result<T, UseCaseError>,
) -> Option<&'a str> {
    match result {
        Err(UseCaseError::InstanceUnknown | UseCaseError::Storage(_)) => None,
        Ok(_) | Err(_) => Some(named),
    }
}

/// Counts a request as not yet answered, until it is dropped.
pub struct InFlight(metrics::Gauge);

impl InFlight {
    /// A request that just came.
    #[must_use]
    pub fn begin() -> Self {
        let gauge = metrics::gauge!("merchant_otp_requests_in_flight");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// An error and all its causes, on one line.
pub struct Causes<'a>(pub &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use merchant_otp_application::Refusal;

    use super::*;

    #[test]
    fn an_instance_is_logged_if_it_exists() {
        let logged = |result: Result<(), UseCaseError>| loggable_instance("shop", &result);
        assert_eq!(logged(Ok(())), Some("shop"));
        assert_eq!(logged(Err(UseCaseError::InstanceDeleted)), Some("shop"));
        assert_eq!(logged(Err(UseCaseError::Unauthorized(Refusal::Missing))), Some("shop"));
        assert_eq!(logged(Err(UseCaseError::InstanceUnknown)), None);
    }

    #[test]
    fn causes_are_on_one_line() {
        let cause = "the socket is gone".into();
        let error = merchant_otp_application::StorageFailure::Unavailable(cause);
        let line = Causes(&error).to_string();
        assert_eq!(line, "the database cannot be reached: the socket is gone");
    }
}
