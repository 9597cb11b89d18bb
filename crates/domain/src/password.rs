//! Passwords and their hashes.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};
use hmac::Hmac;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::InstanceId;
use crate::otp_codes::hmac;

/// The password of an instance: 1 to [`Password::MAX_BYTES`] bytes of UTF-8.
///
/// Wiped when dropped, redacted in `Debug`. Stores hold only its [`PasswordHash`].
///
/// ```
/// use merchant_otp_domain::Password;
///
/// let password = Password::parse("correct horse").unwrap();
/// let hash = password.hash([7; 16]);
/// assert!(hash.verifies(&Password::parse("correct horse").unwrap()));
/// ```
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The maximum length, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a password. White space is kept.
    ///
    /// # Errors
    ///
    /// If it is empty or too long.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        match text.len() {
            1..=Self::MAX_BYTES => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err(PasswordError),
        }
    }

    /// Hashes the password with a random salt, which must be different for every hash.
    ///
    /// Slow on purpose; uses [`PasswordHash::MEMORY_KIB`] KiB of memory.
    #[must_use]
    pub fn hash(&self, salt: [u8; 16]) -> PasswordHash {
        PasswordHash(phc_string(self.0.as_bytes(), salt))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password([redacted])")
    }
}

impl Password {
    /// A keyed digest of the password for an instance (HMAC-SHA-256), to recognise the password
    /// within a process. The key must be random and must not leave the process.
    #[must_use]
    pub fn keyed_digest(&self, key: &[u8; 32], instance: &InstanceId) -> [u8; 32] {
        // No id contains the separator.
        let message = [instance.as_str().as_bytes(), &[0], self.0.as_bytes()];
        let digest = hmac::<Hmac<Sha256>>(key, &message);
        let mut array = [0; 32];
        array.copy_from_slice(&digest);
        array
    }
}

/// Error returned by [`Password::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a password has 1 to {} bytes", Password::MAX_BYTES)]
pub struct PasswordError;

/// The Argon2id hash of a password (RFC 9106) in the PHC string format, as stores hold it.
///
/// Redacted in `Debug`: a weak password can be guessed from its hash.
///
/// ```
/// use merchant_otp_domain::PasswordHash;
///
/// let hash = PasswordHash::decoy();
/// assert_eq!(PasswordHash::parse(hash.as_str()), Ok(hash));
/// assert!(PasswordHash::parse("secret").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The memory that hashing uses, in KiB.
    ///
    /// With [`PasswordHash::PASSES`] and one lane, this is one of the minimum settings of OWASP's
    /// Password Storage Cheat Sheet. Of those, it is the only one whose memory the allocator of
    /// glibc returns to the system immediately: it keeps up to 32 MiB for each thread.
    pub const MEMORY_KIB: u32 = 46 * 1024;

    /// The number of passes over the memory.
    pub const PASSES: u32 = 1;

    /// Parses a hash from its PHC string, including one of another version of the service.
    ///
    /// # Errors
    ///
    /// If it is not a hash of Argon2id, or if it needs more than 4 times the memory or passes of
    /// this version, or more than 4 lanes: checking it could exhaust the service.
    pub fn parse(text: impl Into<String>) -> Result<Self, PasswordHashError> {
        let text = text.into();
        let hash = phc::PasswordHash::new(&text).map_err(|_| PasswordHashError)?;
        let cost = Params::try_from(&hash).map_err(|_| PasswordHashError)?;
        let affordable = cost.m_cost() <= 4 * Self::MEMORY_KIB
            && cost.t_cost() <= 4 * Self::PASSES
            && cost.p_cost() <= 4;
        if Algorithm::try_from(hash.algorithm.as_str()) != Ok(Algorithm::Argon2id) || !affordable {
            return Err(PasswordHashError);
        }
        Ok(Self(text))
    }

    /// A hash for log-ins without a stored one, so that refusing takes as long as checking.
    ///
    /// It is a constant: callers refuse the log-in, whatever the result of the check.
    #[must_use]
    pub fn decoy() -> Self {
        let hash = "$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA\
                    $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        Self(hash.to_owned())
    }

    /// Checks whether this is the hash of a password. As slow as [`Password::hash`].
    #[must_use]
    pub fn verifies(&self, password: &Password) -> bool {
        phc::PasswordHash::new(&self.0)
            .is_ok_and(|hash| argon2id().verify_password(password.0.as_bytes(), &hash).is_ok())
    }

    /// The hash as a PHC string, for storage.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash([redacted])")
    }
}

/// Error returned by [`PasswordHash::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no hash of Argon2id with about the cost of this service")]
pub struct PasswordHashError;

fn phc_string(password: &[u8], salt: [u8; 16]) -> String {
    #[expect(clippy::expect_used, reason = "the lengths are within the limits of RFC 9106")]
    argon2id().hash_password_with_salt(password, &salt).expect("a hash").to_string()
}

fn argon2id() -> Argon2<'static> {
    #[expect(clippy::expect_used, reason = "constants, within the limits of RFC 9106")]
    let cost = Params::new(PasswordHash::MEMORY_KIB, PasswordHash::PASSES, 1, None).expect("cost");
    Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone() {
        let password = Password::parse("correct horse").unwrap();
        let hash = password.hash([7; 16]);
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{}", hash.as_str());
        let stored = PasswordHash::parse(hash.as_str()).unwrap();
        assert_eq!(stored, hash);
        assert!(stored.verifies(&password));
        assert!(!stored.verifies(&Password::parse("correct horse ").unwrap()));
        assert_ne!(password.hash([8; 16]), hash);
    }

    /// A test vector of the reference implementation in C: `password` with the salt `somesalt`.
    #[test]
    fn a_hash_of_another_implementation_is_checked() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
                    $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = PasswordHash::parse(hash).unwrap();
        assert!(hash.verifies(&Password::parse("password").unwrap()));
        assert!(!hash.verifies(&Password::parse("Password").unwrap()));
    }

    #[test]
    fn the_decoy_costs_what_a_hash_costs() {
        let hash = Password::parse("a").unwrap().hash([7; 16]);
        let decoy = PasswordHash::parse(PasswordHash::decoy().as_str()).unwrap();
        assert_eq!(decoy.as_str()[..30], hash.as_str()[..30]);
        assert_eq!(decoy.as_str().len(), hash.as_str().len());
        assert!(!decoy.verifies(&Password::parse("a").unwrap()));
    }

    #[test]
    fn malformed_hashes_are_refused() {
        let hash = Password::parse("a").unwrap().hash([7; 16]);
        for text in [
            String::new(),
            "secret".to_owned(),
            hash.as_str().replace("argon2id", "argon2i"),
            hash.as_str().replace("m=47104", "m=188417"),
            hash.as_str().replace("t=1", "t=5"),
            hash.as_str().replace("p=1", "p=5"),
            hash.as_str().replace("$m=", "$n="),
        ] {
            assert_eq!(PasswordHash::parse(&*text), Err(PasswordHashError), "{text}");
        }
    }

    #[test]
    fn a_password_is_neither_empty_nor_endless() {
        assert!(Password::parse("").is_err());
        assert!(Password::parse(&"p".repeat(1024)).is_ok());
        assert!(Password::parse(&"p".repeat(1025)).is_err());
    }

    #[test]
    fn debug_is_redacted() {
        let password = Password::parse("hunter2").unwrap();
        assert_eq!(format!("{password:?}"), "Password([redacted])");
        assert_eq!(format!("{:?}", password.hash([7; 16])), "PasswordHash([redacted])");
    }
}
