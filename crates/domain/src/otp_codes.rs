//! One-time codes: HOTP, TOTP and TOTP with a price.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use crate::{Amount, OtpAlgorithm, OtpDevice, Timestamp};

/// The codes that a device may show around a point in time.
///
/// Five codes of 8 digits: for the two time steps before, the step of the point in time, and the
/// two after, so that the clock of the device may be off by a minute. Steps before time 0 count as
/// step 0. `Display` writes one code per line, oldest first, as a payment confirmation shows them.
///
/// ```
/// use merchant_otp_domain::{
///     OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey, Timestamp,
/// };
///
/// let device = OtpDevice::new(
///     OtpDeviceId::parse("till").unwrap(),
///     OtpDeviceDescription::parse("").unwrap(),
///     OtpKey::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
///     OtpAlgorithm::TotpWithoutPrice,
///     OtpCounter::default(),
/// )
/// .unwrap();
/// let codes = device.codes(Timestamp::from_seconds(59).unwrap(), None).unwrap();
/// // RFC 6238 appendix B.
/// assert_eq!(codes.codes()[2].to_string(), "94287082");
/// assert_eq!(codes.codes()[2].shown_from(), 30);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpCodes([OtpCode; 5]);

/// A code that a device shows during one time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpCode {
    code: u32,
    step: u64,
}

impl OtpCode {
    /// The length of a time step, in seconds (RFC 6238 section 5.2).
    pub const SECONDS: u64 = 30;

    /// The start of its time step, in seconds since the Unix epoch.
    #[must_use]
    pub fn shown_from(self) -> u64 {
        self.step * Self::SECONDS
    }

    /// The end of its time step, exclusive, in seconds since the Unix epoch.
    #[must_use]
    pub fn shown_until(self) -> u64 {
        self.shown_from() + Self::SECONDS
    }
}

impl fmt::Display for OtpCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08}", self.code)
    }
}

impl OtpCodes {
    /// The codes, oldest first.
    #[must_use]
    pub fn codes(&self) -> [OtpCode; 5] {
        self.0
    }

    /// Computes the codes of a key (RFC 6238 with SHA-1, T0 = 0 and 8 digits).
    fn of_key(key: &[u8], at: Timestamp) -> Self {
        let steps = [-2, -1, 0, 1, 2_i64].map(|offset| {
            let seconds =
                at.seconds().saturating_add_signed(offset * OtpCode::SECONDS.cast_signed());
            seconds / OtpCode::SECONDS
        });
        Self(steps.map(|step| OtpCode { code: hotp(key, step), step }))
    }
}

impl fmt::Display for OtpCodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(formatter, "{first}")?;
        rest.iter().try_for_each(|code| write!(formatter, "\n{code}"))
    }
}

impl OtpDevice {
    /// Computes the codes that the device may show at a point in time, for a payment of `price`.
    ///
    /// Returns `None` if the device has no algorithm, or if its algorithm needs a price and `price`
    /// is `None`.
    #[must_use]
    pub fn codes(&self, at: Timestamp, price: Option<&Amount>) -> Option<OtpCodes> {
        let key = self.key().expose_bytes();
        match self.algorithm() {
            OtpAlgorithm::None => None,
            OtpAlgorithm::TotpWithoutPrice => Some(OtpCodes::of_key(key, at)),
            OtpAlgorithm::TotpWithPrice => {
                let key = gnunet_kdf(&price?.to_network_bytes(), key, &[]);
                Some(OtpCodes::of_key(key.as_slice(), at))
            }
        }
    }
}

/// Computes one code of 8 digits (RFC 4226 section 5.3).
fn hotp(key: &[u8], counter: u64) -> u32 {
    let digest = hmac::<Hmac<Sha1>>(key, &[&counter.to_be_bytes()]);
    let offset = digest.last().map_or(0, |last| usize::from(last & 0x0f));
    let word =
        digest.iter().skip(offset).take(4).fold(0, |word, byte| word << 8 | u32::from(*byte));
    (word & 0x7fff_ffff) % 100_000_000
}

/// Derives 64 bytes with the KDF of GNUnet: HKDF (RFC 5869) that extracts with SHA-512 and expands
/// with SHA-256.
fn gnunet_kdf(salt: &[u8], key: &[u8], info: &[u8]) -> Zeroizing<Vec<u8>> {
    let prk = hmac::<Hmac<Sha512>>(salt, &[key]);
    let mut okm = hmac::<Hmac<Sha256>>(&prk, &[info, &[1]]);
    let second = hmac::<Hmac<Sha256>>(&prk, &[&okm, info, &[2]]);
    okm.extend_from_slice(&second);
    okm
}

pub(crate) fn hmac<M: Mac + KeyInit>(key: &[u8], message: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104 section 2)")]
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    for part in message {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{OtpCounter, OtpDeviceDescription, OtpDeviceId, OtpKey};

    const A: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const B: &str = "JBSWY3DPEHPK3PXP";

    fn codes(algorithm: OtpAlgorithm, key: &str, price: Option<&str>, at: u64) -> Option<String> {
        let device = OtpDevice::new(
            OtpDeviceId::parse("till").unwrap(),
            OtpDeviceDescription::parse("").unwrap(),
            OtpKey::from_base32(key).unwrap(),
            algorithm,
            OtpCounter::default(),
        );
        let price = price.map(|price| Amount::parse(price).unwrap());
        let at = Timestamp::from_seconds(at).unwrap();
        device.unwrap().codes(at, price.as_ref()).map(|codes| codes.to_string())
    }

    #[test]
    fn the_sha1_vectors_of_rfc_6238_appendix_b() {
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let codes = codes(OtpAlgorithm::TotpWithoutPrice, A, None, time).unwrap();
            assert_eq!(codes.lines().nth(2), Some(code), "{time}");
        }
    }

    #[test]
    fn the_vectors_of_the_protocol_without_a_price() {
        for (at, expected) in [
            (59, "84755224\n84755224\n94287082\n37359152\n26969429"),
            (0, "84755224\n84755224\n84755224\n94287082\n37359152"),
            (1_111_111_109, "48150727\n89731029\n07081804\n14050471\n44266759"),
            (1_700_000_000, "66713364\n84276857\n81921300\n67732303\n87136087"),
            (1_700_001_530, "03355263\n02810198\n00529628\n01346658\n75908310"),
        ] {
            for price in [None, Some("EUR:1.50")] {
                let codes = codes(OtpAlgorithm::TotpWithoutPrice, A, price, at);
                assert_eq!(codes.as_deref(), Some(expected), "{at}");
            }
        }
    }

    #[test]
    fn the_vectors_of_the_protocol_with_a_price() {
        for (key, price, at, expected) in [
            (A, "EUR:1.50", 1_700_000_000, "25414867\n50803371\n84002102\n81378344\n14701362"),
            (A, "EUR:1.5", 1_700_000_000, "25414867\n50803371\n84002102\n81378344\n14701362"),
            (B, "EUR:1.5", 1_700_000_000, "86940584\n23453159\n03980114\n58369495\n11403771"),
            (A, "KUDOS:10", 1_700_000_000, "67931382\n60123304\n35313021\n96395995\n52208115"),
            (A, "CHF:0.00000001", 59, "02350094\n02350094\n67774117\n48776519\n49178788"),
            (
                A,
                "EUR:4503599627370496",
                1_700_000_000,
                "31687695\n41855931\n23402196\n47616364\n87440846",
            ),
        ] {
            let codes = codes(OtpAlgorithm::TotpWithPrice, key, Some(price), at);
            assert_eq!(codes.as_deref(), Some(expected), "{price}");
        }
    }

    #[test]
    fn no_algorithm_and_no_price_where_it_is_needed_mean_no_codes() {
        assert_eq!(codes(OtpAlgorithm::None, A, Some("EUR:1"), 59), None);
        assert_eq!(codes(OtpAlgorithm::TotpWithPrice, A, None, 59), None);
    }

    #[test]
    fn a_code_is_shown_for_its_step() {
        let codes = OtpCodes::of_key(b"key", Timestamp::from_seconds(100).unwrap()).codes();
        let shown = codes.map(|code| (code.shown_from(), code.shown_until()));
        assert_eq!(shown, [(30, 60), (60, 90), (90, 120), (120, 150), (150, 180)]);
        let codes = OtpCodes::of_key(b"key", Timestamp::from_seconds(31).unwrap()).codes();
        assert_eq!(codes.map(OtpCode::shown_from), [0, 0, 30, 60, 90]);
    }

    /// The KDF vector of the test-vector generators of GNUnet and Taler.
    #[test]
    fn the_official_vector_of_the_kdf() {
        let info = b"I'm a context chunk, also known as 'info' in the RFC";
        let okm = gnunet_kdf(b"I'm very salty", b"I'm the secret input key material", info);
        let mut crockford = data_encoding::Specification::new();
        crockford.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
        assert_eq!(
            crockford.encoding().unwrap().encode(&okm),
            "GTMR4QT05Z9WF5HKVG0WK9RPXGHSMHJNW377G9GJXCA8B0FEKPF4D27RJMSJZYWSQNTBJ5EYVV7ZW18B48Z0JVJJ\
             80RHB706Y96Q358"
        );
    }

    proptest! {
        #[test]
        fn the_codes_are_those_of_another_implementation(
            key in prop::collection::vec(any::<u8>(), 1..=128),
            at in 0..Timestamp::MAX_SECONDS - 60,
        ) {
            let codes = OtpCodes::of_key(&key, Timestamp::from_seconds(at).unwrap()).to_string();
            let times = [at.saturating_sub(60), at.saturating_sub(30), at, at + 30, at + 60];
            let expected = times.map(|time| {
                totp_lite::totp_custom::<totp_lite::Sha1>(30, 8, &key, time)
            });
            prop_assert_eq!(codes, expected.join("\n"));
        }
    }
}
