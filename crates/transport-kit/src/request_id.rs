//! Request ids.

use std::fmt;

/// The id of a request in the log and in its response.
///
/// ```
/// use merchant_otp_transport_kit::RequestId;
///
/// assert_eq!(RequestId::new(Some("proxy-7")).as_str(), "proxy-7");
/// let random = RequestId::new(Some("not valid\n"));
/// assert!(!random.as_str().contains('\n'));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The maximum length of an id from a proxy, in bytes.
    const MAX_BYTES: usize = 64;

    /// Uses the id that a proxy gave the request if it is valid, or a random one.
    ///
    /// Without a proxy, `given` must be `None`: a client must not choose what is in the log.
    #[must_use]
    pub fn new(given: Option<&str>) -> Self {
        match given.filter(|id| Self::is_good(id)) {
            Some(id) => Self(id.to_owned()),
            None => Self(format!("{:016x}", fastrand::u64(..))),
        }
    }

    fn is_good(id: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=Self::MAX_BYTES).contains(&id.len()) && id.bytes().all(is_allowed)
    }

    /// Returns the text: 1 to 64 letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the span of the request. Everything that is logged in it has the id.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        // The highest level, so that no log filter disables the span.
        tracing::error_span!("request", request_id = self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_id_is_kept_and_others_are_replaced() {
        for id in ["a", "9f-A_b.c", &"x".repeat(64)] {
            assert_eq!(RequestId::new(Some(id)).as_str(), id);
        }
        let (random, long) = (RequestId::new(None), "x".repeat(65));
        assert_ne!(random, RequestId::new(None));
        for id in ["", "a b", "a\n", "é", &long] {
            let id = RequestId::new(Some(id));
            assert_eq!(id.as_str().len(), 16);
            assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
