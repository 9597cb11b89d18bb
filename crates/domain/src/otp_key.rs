//! OTP keys, and their Base32 form.

use std::fmt;

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The secret key shared by a device and the backend: 0 to [`OtpKey::MAX_BYTES`] bytes.
///
/// Compared in constant time, wiped when dropped, redacted in `Debug`.
///
/// ```
/// use merchant_otp_domain::OtpKey;
///
/// let key = OtpKey::from_base32("MZXW6===").unwrap();
/// assert_eq!(*key.to_base32(), "MZXW6");
/// assert!(!format!("{key:?}").contains("MZXW6"));
/// ```
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct OtpKey(Vec<u8>);

impl OtpKey {
    /// The maximum length, in bytes: twice the block size of SHA-1, more than any device accepts.
    pub const MAX_BYTES: usize = 128;

    /// Creates a key from its raw bytes.
    ///
    /// # Errors
    ///
    /// If there are more than [`OtpKey::MAX_BYTES`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, OtpKeyError> {
        let key = Self(bytes);
        if key.0.len() > Self::MAX_BYTES {
            return Err(OtpKeyError::TooLong);
        }
        Ok(key)
    }

    /// Parses a key in Base32 of RFC 3548 (RFC 4648 section 6), not in Taler's Crockford Base32.
    ///
    /// Accepts what authenticator apps and the C merchant backend accept: upper and lower case, and
    /// up to 6 `=` at the end. Bits after the last whole byte are ignored.
    ///
    /// # Errors
    ///
    /// If the text has another character, or the key is longer than [`OtpKey::MAX_BYTES`].
    pub fn from_base32(text: &str) -> Result<Self, OtpKeyError> {
        let symbols = strip_padding(text)?.as_bytes();
        if symbols.len() > MAX_SYMBOLS {
            let base32 = symbols.iter().all(|symbol| is_symbol(*symbol));
            return Err(if base32 { OtpKeyError::TooLong } else { OtpKeyError::NotBase32 });
        }
        // 1, 3 or 6 symbols after the last whole block are one more than their bytes need. RFC 4648
        // never produces such a tail; the C backend accepts it and drops the extra bits.
        let idle = usize::from(matches!(symbols.len() % 8, 1 | 3 | 6));
        let (whole, idle) = symbols.split_at(symbols.len().saturating_sub(idle));
        if !idle.iter().all(|symbol| is_symbol(*symbol)) {
            return Err(OtpKeyError::NotBase32);
        }
        let mut key = Self(vec![0; whole.len() * 5 / 8]);
        BASE32.decode_mut(whole, &mut key.0).map_err(|_| OtpKeyError::NotBase32)?;
        Ok(key)
    }

    /// The key in Base32, upper case, without padding.
    #[must_use]
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32.encode(&self.0))
    }

    /// The raw bytes of the key. Use them only to seal the key and to compute codes.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the key has no bytes, which a device without codes may have.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for OtpKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for OtpKey {}

impl fmt::Debug for OtpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OtpKey([redacted])")
    }
}

/// Error returned by [`OtpKey::from_bytes`] and [`OtpKey::from_base32`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OtpKeyError {
    /// A character outside the alphabet, `=` before the end, or more than 6 `=`.
    #[error("the key is not Base32 of RFC 3548 (A-Z and 2-7, not Crockford)")]
    NotBase32,
    /// More than [`OtpKey::MAX_BYTES`].
    #[error("the key has more than {} bytes", OtpKey::MAX_BYTES)]
    TooLong,
}

/// The maximum number of symbols of a key of [`OtpKey::MAX_BYTES`], including an unused one.
const MAX_SYMBOLS: usize = (OtpKey::MAX_BYTES * 8).div_ceil(5) + 1;

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    specification.translate.from.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.translate.to.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.check_trailing_bits = false;
    #[expect(clippy::expect_used, reason = "the specification is a constant, and tested")]
    specification.encoding().expect("a valid specification")
});

fn is_symbol(symbol: u8) -> bool {
    matches!(symbol, b'A'..=b'Z' | b'a'..=b'z' | b'2'..=b'7')
}

/// Removes the padding: at most 6 `=` (RFC 4648).
fn strip_padding(text: &str) -> Result<&str, OtpKeyError> {
    let stripped = text.trim_end_matches('=');
    match text.len() - stripped.len() {
        0..=6 => Ok(stripped),
        _ => Err(OtpKeyError::NotBase32),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Result<Vec<u8>, OtpKeyError> {
        OtpKey::from_base32(text).map(|key| key.expose_bytes().to_vec())
    }

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY======"),
            ("fo", "MZXQ===="),
            ("foo", "MZXW6==="),
            ("foob", "MZXW6YQ="),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI======"),
        ] {
            let unpadded = text.trim_end_matches('=');
            for text in [text, unpadded, &text.to_lowercase()] {
                assert_eq!(decoded(text).unwrap(), bytes.as_bytes(), "{text}");
            }
            let key = OtpKey::from_bytes(bytes.as_bytes().to_vec()).unwrap();
            assert_eq!(*key.to_base32(), unpadded);
        }
    }

    #[test]
    fn bodies_that_the_c_backend_accepts_are_accepted() {
        for (text, bytes) in [
            ("MY", &b"f"[..]),
            ("MY=", b"f"),
            ("MY==", b"f"),
            ("mzxw6ytb", b"fooba"),
            ("M", b""),
            ("=", b""),
            // Tails of 1, 3 and 6 symbols, and leftover bits.
            ("MZXW6YTBM", b"fooba"),
            ("MYM", b"f"),
            ("MZXW6Y", b"foo"),
            ("MZ", b"f"),
        ] {
            assert_eq!(decoded(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn texts_that_are_not_base32_are_refused() {
        for text in [
            "MZXW 6YTB",
            "MZXW-6YTB",
            "MZXW6YQ=A",
            "MZXW6YT1",
            "MZXW6YT8",
            "0",
            "MZX!",
            "ÄÖ",
            "M\u{0}",
            "=======",
            "MY=======",
            " MY",
            "MY\n",
            "MZXW6Y1",
        ] {
            assert_eq!(decoded(text), Err(OtpKeyError::NotBase32), "{text:?}");
        }
    }

    #[test]
    fn at_most_128_bytes() {
        let longest = OtpKey::from_bytes(vec![0xA5; 128]).unwrap();
        assert_eq!(OtpKey::from_base32(&longest.to_base32()), Ok(longest));
        assert_eq!(OtpKey::from_bytes(vec![0; 129]), Err(OtpKeyError::TooLong));
        assert_eq!(decoded(&"A".repeat(205)).unwrap().len(), 128);
        assert_eq!(decoded(&"A".repeat(206)).unwrap().len(), 128);
        assert_eq!(decoded(&"A".repeat(207)), Err(OtpKeyError::TooLong));
        assert_eq!(decoded(&"A".repeat(1 << 20)), Err(OtpKeyError::TooLong));
        assert_eq!(decoded(&"!".repeat(1 << 20)), Err(OtpKeyError::NotBase32));
    }

    #[test]
    fn debug_is_redacted() {
        let key = OtpKey::from_base32("GEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(format!("{key:?}"), "OtpKey([redacted])");
    }

    proptest! {
        #[test]
        fn every_key_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..=128)) {
            let key = OtpKey::from_bytes(bytes.clone()).unwrap();
            let text = key.to_base32();
            prop_assert_eq!(decoded(&text).unwrap(), bytes);
            let padded = format!("{}{}", *text, "=".repeat((8 - text.len() % 8) % 8));
            prop_assert_eq!(OtpKey::from_base32(&padded.to_lowercase()).unwrap(), key);
        }

        /// The decoder of the C backend as the protocol describes it: 5 bits per symbol, most
        /// significant bits first, one byte for every 8 bits; the rest is dropped.
        #[test]
        fn the_bits_are_those_of_the_c_backend(text in "[A-Za-z2-7]{0,200}={0,2}") {
            let mut expected = Vec::new();
            let (mut bits, mut count) = (0_u32, 0);
            for symbol in text.trim_end_matches('=').to_ascii_uppercase().bytes() {
                let value = if symbol.is_ascii_digit() { symbol - b'2' + 26 } else { symbol - b'A' };
                bits = bits << 5 | u32::from(value);
                count += 5;
                if count >= 8 {
                    count -= 8;
                    expected.push(u8::try_from(bits >> count).unwrap());
                    bits &= (1 << count) - 1;
                }
            }
            prop_assert_eq!(decoded(&text).unwrap(), expected);
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC*") {
            if let Ok(key) = OtpKey::from_base32(&text) {
                prop_assert!(key.expose_bytes().len() <= OtpKey::MAX_BYTES);
            }
        }
    }
}
