//! The instance, token and address that a client presents.

use std::fmt;
use std::net::IpAddr;

use merchant_otp_domain::{AccessToken, AccessTokenDigest, InstanceId};

use crate::Error;

/// The instance, token and address of a request. Every transport passes the text on unchanged.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The addressed instance. Text that is not a valid id is an unknown instance.
    pub instance: &'a str,
    /// The access token. Text that is not a valid token counts as no token.
    pub token: Option<&'a str>,
    /// The address that the request comes from, if known: for the audit trail and the rate limits.
    ///
    /// Never an address that the client itself claims.
    pub address: Option<IpAddr>,
}

impl Presented<'_> {
    /// Addresses the instance `admin` instead.
    pub(crate) fn to_admin(self) -> Self {
        Self { instance: InstanceId::ADMIN, ..self }
    }

    pub(crate) fn instance(&self) -> Result<InstanceId, Error> {
        instance_id(self.instance)
    }

    pub(crate) fn token(&self) -> Option<AccessTokenDigest> {
        self.token.and_then(|text| AccessToken::parse(text).ok()).map(|token| token.digest())
    }
}

/// Parses an instance id. Text that is not a valid id is an unknown instance.
pub(crate) fn instance_id(text: &str) -> Result<InstanceId, Error> {
    InstanceId::parse(text).map_err(|_| Error::InstanceUnknown)
}

/// Omits the texts: the token is a secret, and the instance may be a secret in the wrong place.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Presented").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_has_no_text_of_the_client() {
        let (instance, token) = ("secret-token:a", Some("secret-token:b"));
        let presented = Presented { instance, token, address: None };
        assert_eq!(format!("{presented:?}"), "Presented { address: None, .. }");
    }

    #[test]
    fn text_that_cannot_be_read_is_unknown_or_missing() {
        let presented = |instance, token| Presented { instance, token, address: None };
        let long = "x".repeat(256);
        for instance in ["", "a", "..", "a/b", "caf\u{e9}", &long] {
            let error = presented(instance, None).instance().unwrap_err();
            assert!(matches!(error, Error::InstanceUnknown), "{instance}");
        }
        assert_eq!(presented("shop", None).instance().unwrap().as_str(), "shop");
        for token in [None, Some(""), Some("abc"), Some("secret-token:"), Some("secret-token:a b")]
        {
            assert_eq!(presented("shop", token).token(), None, "{token:?}");
        }
        let digest = AccessToken::parse("secret-token:abc").unwrap().digest();
        assert_eq!(presented("shop", Some("SECRET-TOKEN:abc")).token(), Some(digest));
    }
}
