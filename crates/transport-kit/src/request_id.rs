//! Request ids.

use std::fmt;

/// What a request is called in the log and in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The longest id that is taken from a proxy, in bytes.
    const MAX_BYTES: usize = 64;

    /// The id that a proxy gave the request, or a random one.
    ///
    /// A client that comes without a proxy must not choose what is in the log: `given` is `None`
    /// then.
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

    /// The text: 1 to 64 letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The span of the request: all that is logged in it has the id.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        // Of the highest level, so that it is there whatever is filtered.
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
    fn a_good_id_is_kept_and_another_replaced() {
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
