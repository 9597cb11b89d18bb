//! Access tokens, their digests and serials.

use std::fmt;

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Expiration, Timestamp, TokenScope};

/// The secret that authorizes a client: a text with the prefix of RFC 8959.
///
/// Wiped when dropped, redacted in `Debug`. Stores hold only its [`AccessTokenDigest`].
///
/// ```
/// use merchant_otp_domain::AccessToken;
///
/// let token = AccessToken::parse("secret-token:abc").unwrap();
/// assert_eq!(token.digest(), AccessToken::parse("SECRET-TOKEN:abc").unwrap().digest());
/// assert!(AccessToken::parse("abc").is_err());
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct AccessToken(String);

impl AccessToken {
    /// The prefix of every token (RFC 8959).
    pub const PREFIX: &str = "secret-token:";

    /// Creates a token from 256 random bits.
    #[must_use]
    pub fn from_random(bits: &Zeroizing<[u8; 32]>) -> Self {
        Self(CROCKFORD.encode(bits.as_slice()))
    }

    /// Parses a token as a client sends it. The prefix is case-insensitive.
    ///
    /// # Errors
    ///
    /// If the prefix is missing or repeated, or if the rest is empty or has a character that is not
    /// visible ASCII.
    pub fn parse(text: &str) -> Result<Self, AccessTokenError> {
        let secret = without_prefix(text).ok_or(AccessTokenError::Prefix)?;
        if without_prefix(secret).is_some() {
            return Err(AccessTokenError::RepeatedPrefix);
        }
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessTokenError::Secret);
        }
        Ok(Self(secret.to_owned()))
    }

    /// Whether the token has the form of the tokens that [`AccessToken::from_random`] creates: 52
    /// characters of Crockford's Base32, in any case. Other texts cannot be issued tokens.
    #[must_use]
    pub fn has_issued_form(&self) -> bool {
        const ISSUED_CHARACTERS: usize = 52;
        self.0.len() == ISSUED_CHARACTERS
            && self.0.bytes().all(|byte| {
                let byte = byte.to_ascii_uppercase();
                byte.is_ascii_alphanumeric() && !b"ILOU".contains(&byte)
            })
    }

    /// The token with its prefix. Use it only to hand the token to its owner, once.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", Self::PREFIX, self.0))
    }

    /// The digest that stores hold.
    #[must_use]
    pub fn digest(&self) -> AccessTokenDigest {
        AccessTokenDigest(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessToken([redacted])")
    }
}

fn without_prefix(text: &str) -> Option<&str> {
    let (prefix, secret) = text.split_at_checked(AccessToken::PREFIX.len())?;
    prefix.eq_ignore_ascii_case(AccessToken::PREFIX).then_some(secret)
}

/// Error returned by [`AccessToken::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AccessTokenError {
    /// The prefix is missing.
    #[error("an access token must begin with {}", AccessToken::PREFIX)]
    Prefix,
    /// The prefix is there twice: a client put it before a token that had it already.
    #[error("the access token begins with {} twice", AccessToken::PREFIX)]
    RepeatedPrefix,
    /// Nothing follows the prefix, or a blank or another character that is not visible ASCII.
    #[error("an access token must have no blanks, only visible ASCII characters")]
    Secret,
}

/// The SHA-256 of an access token without its prefix.
///
/// A plain hash suffices: a token has 256 random bits and cannot be guessed. Compared in constant
/// time.
///
/// ```
/// use merchant_otp_domain::AccessToken;
///
/// let digest = AccessToken::parse("secret-token:abc").unwrap().digest();
/// // The SHA-256 of "abc" (FIPS 180-4).
/// assert_eq!(digest.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AccessTokenDigest([u8; 32]);

impl AccessTokenDigest {
    /// The bytes of the digest, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for AccessTokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for AccessTokenDigest {}

/// The number that identifies an access token in a list, and to revoke it: 1 to 2^63 − 1, never
/// reused.
///
/// ```
/// use merchant_otp_domain::AccessTokenSerial;
///
/// assert_eq!(AccessTokenSerial::new(7).unwrap().value(), 7);
/// assert!(AccessTokenSerial::new(0).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessTokenSerial(i64);

impl AccessTokenSerial {
    /// Creates a serial from a number.
    ///
    /// # Errors
    ///
    /// If the number is below 1.
    pub fn new(value: i64) -> Result<Self, AccessTokenSerialError> {
        match value {
            1.. => Ok(Self(value)),
            _ => Err(AccessTokenSerialError),
        }
    }

    /// The number, at least 1.
    #[must_use]
    pub fn value(self) -> i64 {
        self.0
    }
}

/// Error returned by [`AccessTokenSerial::new`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the serial of an access token is 1 to 2^63 - 1")]
pub struct AccessTokenSerialError;

impl fmt::Display for AccessTokenSerial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An access token without its secret.
///
/// ```
/// use merchant_otp_domain::{
///     AccessTokenDescription, AccessTokenInfo, Expiration, Lifetime, Timestamp, TokenScope,
/// };
///
/// let created = Timestamp::from_seconds(1_700_000_000).unwrap();
/// let info = AccessTokenInfo {
///     scope: TokenScope::parse("readonly").unwrap(),
///     created,
///     expiration: Expiration::after(created, Lifetime::Seconds(3600)),
///     description: AccessTokenDescription::default(),
/// };
/// assert!(!info.expiration.is_over(created));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenInfo {
    /// What the token allows.
    pub scope: TokenScope,
    /// When the token was created.
    pub created: Timestamp,
    /// When the token expires.
    pub expiration: Expiration,
    /// What the token is for, as its owner describes it.
    pub description: AccessTokenDescription,
}

/// The description of an access token: up to [`AccessTokenDescription::MAX_BYTES`] bytes of UTF-8
/// without NUL.
///
/// ```
/// use merchant_otp_domain::AccessTokenDescription;
///
/// assert_eq!(AccessTokenDescription::parse("for the till").unwrap().as_str(), "for the till");
/// assert!(AccessTokenDescription::parse("\0").is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessTokenDescription(String);

impl AccessTokenDescription {
    /// The maximum length, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a description.
    ///
    /// # Errors
    ///
    /// If the text is too long or contains a NUL, which `PostgreSQL` cannot store.
    pub fn parse(text: impl Into<String>) -> Result<Self, AccessTokenDescriptionError> {
        let text = text.into();
        if text.len() > Self::MAX_BYTES || text.contains('\0') {
            return Err(AccessTokenDescriptionError);
        }
        Ok(Self(text))
    }

    /// The description as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Error returned by [`AccessTokenDescription::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the description of a token has at most {} bytes and no NUL character",
    AccessTokenDescription::MAX_BYTES
)]
pub struct AccessTokenDescriptionError;

/// Crockford's Base32, the encoding of binary data in Taler.
static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    #[expect(clippy::expect_used, reason = "the specification is a constant, and tested")]
    specification.encoding().expect("a valid specification")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_token_is_read_again() {
        let token = AccessToken::from_random(&Zeroizing::new([0xFF; 32]));
        assert_eq!(*token.expose(), format!("secret-token:{}G", "Z".repeat(51)));
        assert_eq!(AccessToken::parse(&token.expose()).unwrap().digest(), token.digest());
    }

    #[test]
    fn different_tokens_have_different_digests() {
        let [one, other] = [1, 2].map(|byte| AccessToken::from_random(&Zeroizing::new([byte; 32])));
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn the_prefix_is_needed_in_any_case() {
        let digest = |text| AccessToken::parse(text).map(|token| token.digest());
        assert_eq!(digest("SECRET-Token:abc"), digest("secret-token:abc"));
        assert_ne!(digest("secret-token:ABC"), digest("secret-token:abc"));
        let bad = [
            "",
            "abc",
            "secret-token:",
            "secret-token",
            "secret-token:a b",
            "secret-token:ä",
            "🦀🦀🦀🦀",
        ];
        for text in bad {
            assert!(AccessToken::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_is_redacted() {
        let token = AccessToken::parse("secret-token:abc").unwrap();
        assert_eq!(format!("{token:?}"), "AccessToken([redacted])");
    }
}
