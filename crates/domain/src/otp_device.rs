//! OTP devices, their ids, descriptions, counters and changes.

use std::fmt;

use thiserror::Error;

use crate::{OtpAlgorithm, OtpKey};

/// An offline device that shows one-time codes, as a merchant registers it.
///
/// Two devices are equal if all their fields are; the keys are compared in constant time.
///
/// ```
/// use merchant_otp_domain::{
///     OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceError, OtpDeviceId,
///     OtpKey,
/// };
///
/// let device = |key: &str| {
///     OtpDevice::new(
///         OtpDeviceId::parse("till").unwrap(),
///         OtpDeviceDescription::parse("Till at the window").unwrap(),
///         OtpKey::from_base32(key).unwrap(),
///         OtpAlgorithm::TotpWithPrice,
///         OtpCounter::default(),
///     )
/// };
/// assert_eq!(device("MZXW6").unwrap().id().as_str(), "till");
/// assert_eq!(device(""), Err(OtpDeviceError::EmptyKey));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtpDevice {
    id: OtpDeviceId,
    description: OtpDeviceDescription,
    key: OtpKey,
    algorithm: OtpAlgorithm,
    counter: OtpCounter,
}

impl OtpDevice {
    /// Creates a device from its parts.
    ///
    /// # Errors
    ///
    /// If the algorithm computes codes and the key is empty: anyone could compute such codes.
    pub fn new(
        id: OtpDeviceId,
        description: OtpDeviceDescription,
        key: OtpKey,
        algorithm: OtpAlgorithm,
        counter: OtpCounter,
    ) -> Result<Self, OtpDeviceError> {
        match algorithm {
            OtpAlgorithm::TotpWithoutPrice | OtpAlgorithm::TotpWithPrice if key.is_empty() => {
                Err(OtpDeviceError::EmptyKey)
            }
            OtpAlgorithm::None | OtpAlgorithm::TotpWithoutPrice | OtpAlgorithm::TotpWithPrice => {
                Ok(Self { id, description, key, algorithm, counter })
            }
        }
    }

    /// The identifier, unique in its instance.
    #[must_use]
    pub fn id(&self) -> &OtpDeviceId {
        &self.id
    }

    /// The description of the device, for people.
    #[must_use]
    pub fn description(&self) -> &OtpDeviceDescription {
        &self.description
    }

    /// The secret key shared by the device and the backend.
    #[must_use]
    pub fn key(&self) -> &OtpKey {
        &self.key
    }

    /// The algorithm that computes its codes.
    #[must_use]
    pub fn algorithm(&self) -> OtpAlgorithm {
        self.algorithm
    }

    /// The counter of a counter-based device.
    #[must_use]
    pub fn counter(&self) -> OtpCounter {
        self.counter
    }

    /// The device with a change applied.
    ///
    /// # Errors
    ///
    /// As [`OtpDevice::new`], for the changed device; and if the change names another algorithm,
    /// which needs another device or another entry of an authenticator app.
    pub fn changed(&self, change: OtpDeviceChange) -> Result<Self, OtpDeviceError> {
        if change.algorithm.is_some_and(|algorithm| algorithm != self.algorithm) {
            return Err(OtpDeviceError::AlgorithmChange);
        }
        Self::new(
            self.id.clone(),
            change.description.unwrap_or_else(|| self.description.clone()),
            change.key.unwrap_or_else(|| self.key.clone()),
            self.algorithm,
            change.counter.unwrap_or(self.counter),
        )
    }
}

/// A change to a device; `None` leaves a field unchanged.
///
/// ```
/// use merchant_otp_domain::{OtpDeviceChange, OtpDeviceDescription};
///
/// let change = OtpDeviceChange {
///     description: Some(OtpDeviceDescription::parse("Till 2").unwrap()),
///     ..OtpDeviceChange::default()
/// };
/// assert!(change.key.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct OtpDeviceChange {
    /// The new description.
    pub description: Option<OtpDeviceDescription>,
    /// The new key.
    pub key: Option<OtpKey>,
    /// The algorithm, which must be that of the device.
    pub algorithm: Option<OtpAlgorithm>,
    /// The new counter.
    pub counter: Option<OtpCounter>,
}

/// A device in a list: without its key, algorithm and counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtpDeviceSummary {
    /// The identifier, unique in its instance.
    pub id: OtpDeviceId,
    /// The description, for people.
    pub description: OtpDeviceDescription,
}

/// Error returned by [`OtpDevice::new`] and [`OtpDevice::changed`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OtpDeviceError {
    /// The algorithm computes codes, and the key is empty.
    #[error("the key is empty, and the algorithm computes codes from it")]
    EmptyKey,
    /// A change names another algorithm.
    #[error("the algorithm of a device cannot be changed; remove the device and add it again")]
    AlgorithmChange,
}

/// The identifier of a device, unique in its instance.
///
/// 1 to [`OtpDeviceId::MAX_BYTES`] bytes of UTF-8 without control characters and `/`. The id is a
/// segment of a URL, so it is neither `.` nor `..`, which clients resolve before they send a
/// request. Compared byte by byte, without normalization.
///
/// ```
/// use merchant_otp_domain::OtpDeviceId;
///
/// assert_eq!(OtpDeviceId::parse("till 1").unwrap().as_str(), "till 1");
/// assert!(OtpDeviceId::parse("..").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtpDeviceId(String);

impl OtpDeviceId {
    /// The maximum length, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Parses an identifier.
    ///
    /// # Errors
    ///
    /// If the text is empty, too long, or cannot be a segment of a URL.
    pub fn parse(text: impl Into<String>) -> Result<Self, OtpDeviceIdError> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(OtpDeviceIdError::Length);
        }
        if text.contains(|c: char| c == '/' || c.is_control()) {
            return Err(OtpDeviceIdError::Character);
        }
        if text == "." || text == ".." {
            return Err(OtpDeviceIdError::Dots);
        }
        Ok(Self(text))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OtpDeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Error returned by [`OtpDeviceId::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OtpDeviceIdError {
    /// Empty, or more than [`OtpDeviceId::MAX_BYTES`].
    #[error("a device id has 1 to {} bytes", OtpDeviceId::MAX_BYTES)]
    Length,
    /// A control character or a slash.
    #[error("a device id has no control characters and no /")]
    Character,
    /// `.` or `..`, which clients resolve.
    #[error("a device id is neither . nor ..")]
    Dots,
}

/// The description of a device: up to [`OtpDeviceDescription::MAX_BYTES`] bytes of UTF-8 without
/// NUL.
///
/// ```
/// use merchant_otp_domain::OtpDeviceDescription;
///
/// assert_eq!(OtpDeviceDescription::parse("Till 1").unwrap().as_str(), "Till 1");
/// assert!(OtpDeviceDescription::parse("\0").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtpDeviceDescription(String);

impl OtpDeviceDescription {
    /// The maximum length, in bytes: 64 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Parses a description.
    ///
    /// # Errors
    ///
    /// If the text is too long or contains a NUL, which `PostgreSQL` cannot store.
    pub fn parse(text: impl Into<String>) -> Result<Self, OtpDeviceDescriptionError> {
        let text = text.into();
        if text.len() > Self::MAX_BYTES {
            return Err(OtpDeviceDescriptionError::TooLong);
        }
        if text.contains('\0') {
            return Err(OtpDeviceDescriptionError::Nul);
        }
        Ok(Self(text))
    }

    /// The description as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Error returned by [`OtpDeviceDescription::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OtpDeviceDescriptionError {
    /// More than [`OtpDeviceDescription::MAX_BYTES`].
    #[error("a device description has at most {} bytes", OtpDeviceDescription::MAX_BYTES)]
    TooLong,
    /// A NUL character.
    #[error("a device description has no NUL character")]
    Nul,
}

/// The counter of a counter-based device: 0 to 2^63 − 1.
///
/// The protocol stores it; no algorithm uses it. The default is 0.
///
/// ```
/// use merchant_otp_domain::OtpCounter;
///
/// assert_eq!(OtpCounter::default().value(), 0);
/// assert!(OtpCounter::new(-1).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtpCounter(i64);

impl OtpCounter {
    /// Creates a counter from a number.
    ///
    /// # Errors
    ///
    /// If the number is negative.
    pub fn new(value: i64) -> Result<Self, OtpCounterError> {
        match value {
            0.. => Ok(Self(value)),
            _ => Err(OtpCounterError),
        }
    }

    /// The counter as a number, never negative.
    #[must_use]
    pub fn value(self) -> i64 {
        self.0
    }
}

/// Error returned by [`OtpCounter::new`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the counter is 0 to 2^63 - 1")]
pub struct OtpCounterError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_addressed_in_a_url() {
        for good in ["a", "till 1", "кasse-№1", "%2e", "...", "a?b#c", &"i".repeat(255)] {
            assert_eq!(OtpDeviceId::parse(good).unwrap().as_str(), good);
        }
        for (bad, error) in [
            ("", OtpDeviceIdError::Length),
            (&*"i".repeat(256), OtpDeviceIdError::Length),
            (&*"ü".repeat(128), OtpDeviceIdError::Length),
            (".", OtpDeviceIdError::Dots),
            ("..", OtpDeviceIdError::Dots),
            ("a/b", OtpDeviceIdError::Character),
            ("a\n", OtpDeviceIdError::Character),
            ("\0", OtpDeviceIdError::Character),
            ("\u{7f}", OtpDeviceIdError::Character),
            ("\u{85}", OtpDeviceIdError::Character),
        ] {
            assert_eq!(OtpDeviceId::parse(bad), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn a_description_is_up_to_64_kib_without_nul() {
        for good in ["", "Main till\nsecond line", &"d".repeat(65_536)] {
            assert_eq!(OtpDeviceDescription::parse(good).unwrap().as_str(), good);
        }
        let too_long = OtpDeviceDescription::parse("d".repeat(65_537));
        assert_eq!(too_long, Err(OtpDeviceDescriptionError::TooLong));
        assert_eq!(OtpDeviceDescription::parse("a\0"), Err(OtpDeviceDescriptionError::Nul));
    }

    #[test]
    fn a_counter_is_never_negative() {
        assert_eq!(OtpCounter::new(0), Ok(OtpCounter::default()));
        assert_eq!(OtpCounter::new(i64::MAX).unwrap().value(), i64::MAX);
        assert_eq!(OtpCounter::new(-1), Err(OtpCounterError));
    }

    fn device(key: &str, algorithm: OtpAlgorithm) -> Result<OtpDevice, OtpDeviceError> {
        OtpDevice::new(
            OtpDeviceId::parse("till").unwrap(),
            OtpDeviceDescription::parse("").unwrap(),
            OtpKey::from_base32(key).unwrap(),
            algorithm,
            OtpCounter::default(),
        )
    }

    #[test]
    fn an_empty_key_is_for_devices_without_codes() {
        let device = |algorithm| device("", algorithm);
        assert!(device(OtpAlgorithm::None).is_ok());
        assert_eq!(device(OtpAlgorithm::TotpWithoutPrice), Err(OtpDeviceError::EmptyKey));
        assert_eq!(device(OtpAlgorithm::TotpWithPrice), Err(OtpDeviceError::EmptyKey));
    }
    #[test]
    fn a_change_leaves_the_rest_as_it_is() {
        let before = device("MY", OtpAlgorithm::TotpWithPrice).unwrap();
        assert_eq!(before.changed(OtpDeviceChange::default()), Ok(before.clone()));
        let after = before.changed(OtpDeviceChange {
            description: Some(OtpDeviceDescription::parse("new").unwrap()),
            key: Some(OtpKey::from_base32("MZXW6").unwrap()),
            algorithm: Some(OtpAlgorithm::TotpWithPrice),
            counter: Some(OtpCounter::new(7).unwrap()),
        });
        let after = after.unwrap();
        assert_eq!(after.id(), before.id());
        assert_eq!(after.description().as_str(), "new");
        assert_eq!(after.key().expose_bytes(), b"foo");
        assert_eq!(after.algorithm(), OtpAlgorithm::TotpWithPrice);
        assert_eq!(after.counter().value(), 7);
    }

    #[test]
    fn a_change_keeps_to_the_rules_for_devices() {
        let before = device("MY", OtpAlgorithm::TotpWithPrice).unwrap();
        let change = OtpDeviceChange {
            key: Some(OtpKey::from_base32("").unwrap()),
            ..OtpDeviceChange::default()
        };
        assert_eq!(before.changed(change), Err(OtpDeviceError::EmptyKey));
        for algorithm in [OtpAlgorithm::None, OtpAlgorithm::TotpWithoutPrice] {
            let change =
                OtpDeviceChange { algorithm: Some(algorithm), ..OtpDeviceChange::default() };
            assert_eq!(before.changed(change), Err(OtpDeviceError::AlgorithmChange));
        }
    }
}
