//! Access tokens, their digests and serials.

use std::fmt;

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Expiration, Timestamp, TokenScope};

/// The secret that a client proves its rights with: a text with the prefix of RFC 8959.
///
/// Wiped when dropped, redacted in `Debug`. Stores keep its [`AccessTokenDigest`] only.
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
    /// What every token begins with (RFC 8959).
    pub const PREFIX: &str = "secret-token:";

    /// Makes the token of 256 random bits.
    #[must_use]
    pub fn from_random(bits: &Zeroizing<[u8; 32]>) -> Self {
        Self(CROCKFORD.encode(bits.as_slice()))
    }

    /// Reads a token as a client presents it; the prefix in any case.
    ///
    /// # Errors
    ///
    /// If the prefix is missing, or nothing or white space follows it.
    pub fn parse(text: &str) -> Result<Self, AccessTokenError> {
        let (prefix, secret) = text.split_at_checked(Self::PREFIX.len()).ok_or(AccessTokenError)?;
        if !prefix.eq_ignore_ascii_case(Self::PREFIX) {
            return Err(AccessTokenError);
        }
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessTokenError);
        }
        Ok(Self(secret.to_owned()))
    }

    /// The token with its prefix: for handing it to its owner, once, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", Self::PREFIX, self.0))
    }

    /// The digest that a store keeps of the token.
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

/// A text that is no [`AccessToken`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an access token begins with {} and has no blanks", AccessToken::PREFIX)]
pub struct AccessTokenError;

/// The SHA-256 of an access token without its prefix.
///
/// A plain hash is enough: the token has 256 random bits, so there is nothing to guess. Compared in
/// constant time.
#[derive(Clone, Copy, Debug)]
pub struct AccessTokenDigest([u8; 32]);

impl AccessTokenDigest {
    /// The digest, for storing it.
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

/// The number of an access token, by which it is listed and revoked: 1 and up, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessTokenSerial(i64);

impl AccessTokenSerial {
    /// Takes a number.
    ///
    /// # Errors
    ///
    /// If it is below 1.
    pub fn new(value: i64) -> Result<Self, AccessTokenSerialError> {
        match value {
            1.. => Ok(Self(value)),
            _ => Err(AccessTokenSerialError),
        }
    }

    /// The number, 1 and up.
    #[must_use]
    pub fn value(self) -> i64 {
        self.0
    }
}

/// A number that is no [`AccessTokenSerial`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the serial of an access token is 1 to 2^63 - 1")]
pub struct AccessTokenSerialError;

impl fmt::Display for AccessTokenSerial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An access token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenInfo {
    /// What the token allows.
    pub scope: TokenScope,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expiration: Expiration,
    /// What it is for, in the words of its owner.
    pub description: AccessTokenDescription,
}

/// What an access token is for: up to [`AccessTokenDescription::MAX_BYTES`] bytes without NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessTokenDescription(String);

impl AccessTokenDescription {
    /// The longest description, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Reads a description.
    ///
    /// # Errors
    ///
    /// If the text is too long or has a NUL, which `PostgreSQL` cannot store.
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

/// A text that is no [`AccessTokenDescription`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the description of a token has at most {} bytes and no NUL character",
    AccessTokenDescription::MAX_BYTES
)]
pub struct AccessTokenDescriptionError;

/// Base32 as Taler writes binary data.
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
