//! Master keys: generation, Base64 form and id.

use std::fmt;

use data_encoding::BASE64;
use merchant_otp_domain::MasterKeyId;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A key that seals the keys of devices: 256 random bits.
///
/// Wiped when dropped, redacted in `Debug`.
///
/// ```
/// use merchant_otp_sealing::MasterKey;
///
/// let key = MasterKey::generate().unwrap();
/// let text = key.to_base64();
/// assert_eq!(MasterKey::from_base64(&text).unwrap().id(), key.id());
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; Self::BYTES]);

impl MasterKey {
    /// The length, in bytes.
    pub const BYTES: usize = 32;

    /// Generates a random master key.
    ///
    /// # Errors
    ///
    /// If the operating system provides no random bits.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut key = Self([0; Self::BYTES]);
        getrandom::fill(&mut key.0)?;
        Ok(key)
    }

    /// Parses the output of [`MasterKey::to_base64`]; white space around it is skipped.
    ///
    /// # Errors
    ///
    /// If the text is not [`MasterKey::BYTES`] bytes in Base64.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = BASE64.decode(text.trim().as_bytes()).map_err(|_| MasterKeyError)?;
        let bytes = Zeroizing::new(bytes);
        let bytes = bytes.as_slice().try_into().map_err(|_| MasterKeyError)?;
        Ok(Self(bytes))
    }

    /// The master key in Base64 (RFC 4648 section 4). Use it only to store the key.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&self.0))
    }

    /// The id: the first bytes of a SHA-256 of the key, which reveal nothing about 256 random bits.
    ///
    /// The hash includes the name of the algorithm, so that the same bits have another id with
    /// another algorithm.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        let digest = Sha256::new().chain_update(b"XChaCha20-Poly1305\0").chain_update(self.0);
        let digest = digest.finalize();
        MasterKeyId::new(digest.first_chunk().copied().unwrap_or_default())
    }

    pub(crate) fn expose_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({}, [redacted])", self.id())
    }
}

/// Error returned by [`MasterKey::from_base64`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a master key is 32 bytes in Base64; `merchant-otp key generate` makes one")]
pub struct MasterKeyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_comes_back_from_its_text() {
        let key = MasterKey::generate().unwrap();
        let text = key.to_base64();
        assert_eq!(text.len(), 44);
        let again = MasterKey::from_base64(&format!(" {}\n", *text)).unwrap();
        assert_eq!(again.expose_bytes(), key.expose_bytes());
        assert_ne!(MasterKey::generate().unwrap().expose_bytes(), key.expose_bytes());
        let long = BASE64.encode(&[7; 33]);
        for text in ["", "secret", &text[..43], &long, &text[..40]] {
            assert!(MasterKey::from_base64(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_id_tells_master_keys_apart() {
        let key = MasterKey([7; 32]);
        assert_eq!(key.id(), MasterKey([7; 32]).id());
        assert_ne!(key.id(), MasterKey([8; 32]).id());
        assert_eq!(format!("{key:?}"), format!("MasterKey({}, [redacted])", key.id()));
    }
}
