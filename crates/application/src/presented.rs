//! The instance, token and address that a client presents.

use std::fmt;
use std::net::IpAddr;

use merchant_otp_domain::{AccessToken, AccessTokenDigest, AccessTokenError, InstanceId, Password};

use crate::Error;

/// The instance, token and address of a request. Every transport passes the text on unchanged.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The addressed instance. Text that is not a valid id is an unknown instance.
    pub instance: &'a str,
    /// The access token, or the prefix of access tokens with the password of the instance. Other
    /// text counts as no credentials.
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

    /// Returns the credentials that the text contains. An issued token is never tried as a
    /// password.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let text = self.token?;
        match AccessToken::parse(text) {
            Ok(token) if token.has_issued_form() => Some(Credentials::Token(token.digest())),
            // The password may have characters that tokens do not have.
            Ok(_) | Err(AccessTokenError::Secret) => {
                let password = text.get(AccessToken::PREFIX.len()..)?;
                Some(Credentials::Password(Password::parse(password).ok()?))
            }
            Err(AccessTokenError::Prefix | AccessTokenError::RepeatedPrefix) => None,
        }
    }
}

/// What a client presents to authenticate.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// The digest of an access token.
    Token(AccessTokenDigest),
    /// The password of the instance.
    Password(Password),
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
    use zeroize::Zeroizing;

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
        for token in [
            None,
            Some(""),
            Some("abc"),
            Some("secret-token:"),
            Some("secret-token:secret-token:abc"),
            Some("Bearer secret-token:abc"),
        ] {
            assert!(presented("shop", token).credentials().is_none(), "{token:?}");
        }
    }

    #[test]
    fn an_issued_token_is_never_a_password() {
        let credentials = |token: &str| {
            Presented { instance: "shop", token: Some(token), address: None }.credentials().unwrap()
        };
        let issued = AccessToken::from_random(&Zeroizing::new([0xa5; 32])).expose();
        for text in [issued.to_string(), issued.to_uppercase(), issued.to_lowercase()] {
            assert!(matches!(credentials(&text), Credentials::Token(_)), "{text}");
        }
        for password in ["pass-1", "a b", "é", &issued[14..], &format!("{}u", &issued[14..])] {
            let text = format!("secret-token:{password}");
            let Credentials::Password(read) = credentials(&text) else { panic!("{text}") };
            assert!(Password::parse(password).unwrap().hash([7; 16]).verifies(&read));
        }
    }
}
