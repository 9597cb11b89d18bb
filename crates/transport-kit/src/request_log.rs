//! The log and the metrics of answered requests.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use merchant_otp_application::Error as UseCaseError;
use merchant_otp_taler_protocol::ErrorCode;

/// An answered request: one line of the log, and the metrics.
///
/// Apart from the method, it contains no text that a client chooses freely: no path, no query, and
/// no instance that does not exist.
///
/// ```
/// use std::time::Duration;
///
/// use merchant_otp_transport_kit::{AnsweredRequest, Importance, InFlight, RequestId};
///
/// let _in_flight = InFlight::begin();
/// let _span = RequestId::new(None).span().entered();
/// let answered = AnsweredRequest {
///     method: "GET",
///     method_label: "GET",
///     route: "/config",
///     instance: None,
///     status: 200,
///     code: None,
///     error: None,
///     duration: Duration::from_millis(1),
///     importance: Importance::Request,
/// };
/// answered.record();
/// ```
pub struct AnsweredRequest<'a> {
    /// The method, for the log.
    pub method: &'a str,
    /// The method, for the metrics: one of a fixed set of labels.
    pub method_label: &'static str,
    /// The endpoint that the request was routed to; `none` if no endpoint matched.
    pub route: &'a str,
    /// The instance that the request addressed, if it exists ([`loggable_instance`]).
    pub instance: Option<&'a str>,
    /// The status, as a number of the transport's protocol.
    pub status: u16,
    /// The error code in the response.
    pub code: Option<ErrorCode>,
    /// The error, if the request did not succeed.
    pub error: Option<&'a dyn Error>,
    /// The time until the response began.
    pub duration: Duration,
    /// The importance, which determines the log level.
    pub importance: Importance,
}

/// The importance of an answered request, which determines its log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// A frequent probe, such as a health check: `debug`.
    Probe,
    /// A success, or an error of the client: `info`.
    Request,
    /// A failure of the service: `error`.
    Failure,
}

impl AnsweredRequest<'_> {
    /// Writes the log line and updates the metrics.
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

/// Returns the name of an instance for the log, if the result of a use case shows that it exists.
///
/// A name without an instance may be any text, such as a token in the wrong place.
///
/// ```
/// use merchant_otp_application::Error;
/// use merchant_otp_transport_kit::loggable_instance;
///
/// assert_eq!(loggable_instance("cafe", &Ok(())), Some("cafe"));
/// assert_eq!(loggable_instance::<()>("secret", &Err(Error::InstanceUnknown)), None);
/// ```
pub fn loggable_instance<'a, T>(
    named: &'a str,
    result: &Result<T, UseCaseError>,
) -> Option<&'a str> {
    match result {
        Err(UseCaseError::InstanceUnknown | UseCaseError::Storage(_)) => None,
        Ok(_) | Err(_) => Some(named),
    }
}

/// Counts a request as in flight until dropped.
pub struct InFlight(metrics::Gauge);

impl InFlight {
    /// Starts counting a request.
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

/// Displays an error and all its causes on one line.
///
/// ```
/// use std::io;
///
/// use merchant_otp_transport_kit::{BindError, Causes, Listen};
///
/// let listen: Listen = "127.0.0.1:80".parse().unwrap();
/// let error = BindError::Address { listen, source: io::Error::other("in use") };
/// assert!(Causes(&error).to_string().ends_with(": in use"));
/// ```
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
