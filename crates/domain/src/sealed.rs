//! Sealed keys, and devices with sealed keys.

use std::fmt;

use thiserror::Error;

use crate::{
    OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceError, OtpDeviceId, OtpKey,
};

/// The id of a master key: 8 bytes that identify the key and reveal nothing about it.
///
/// ```
/// use merchant_otp_domain::MasterKeyId;
///
/// let id = MasterKeyId::new([1, 2, 3, 4, 5, 6, 7, 8]);
/// assert_eq!(id.to_string(), "0102030405060708");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterKeyId([u8; Self::BYTES]);

impl MasterKeyId {
    /// The length, in bytes.
    pub const BYTES: usize = 8;

    /// Creates an id from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// Formats the id in hexadecimal.
impl fmt::Display for MasterKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// An [`OtpKey`] as stores hold it: encrypted with a master key, and useless without it.
///
/// The bytes are the id of the master key, followed by the output of the sealer: up to
/// [`SealedOtpKey::MAX_BYTES`] in total.
///
/// ```
/// use merchant_otp_domain::{MasterKeyId, SealedOtpKey};
///
/// let key = SealedOtpKey::new(vec![7; 40]).unwrap();
/// assert_eq!(key.master_key(), MasterKeyId::new([7; 8]));
/// assert_eq!(key.sealed().len(), 32);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SealedOtpKey(Vec<u8>);

impl SealedOtpKey {
    /// The maximum length, in bytes, including the id.
    pub const MAX_BYTES: usize = 512;

    /// Creates a sealed key from its bytes.
    ///
    /// # Errors
    ///
    /// If there are fewer than [`MasterKeyId::BYTES`] or more than [`SealedOtpKey::MAX_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, SealedOtpKeyError> {
        match bytes.len() {
            MasterKeyId::BYTES..=Self::MAX_BYTES => Ok(Self(bytes)),
            _ => Err(SealedOtpKeyError),
        }
    }

    /// The bytes, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The master key that opens it.
    #[must_use]
    pub fn master_key(&self) -> MasterKeyId {
        MasterKeyId(self.0.first_chunk().copied().unwrap_or_default())
    }

    /// The output of the sealer, without the id of the master key.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        self.0.get(MasterKeyId::BYTES..).unwrap_or_default()
    }
}

/// Shows only the id of the master key.
impl fmt::Debug for SealedOtpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealedOtpKey(by {})", self.master_key())
    }
}

/// Error returned by [`SealedOtpKey::new`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a sealed key has {} to {} bytes", MasterKeyId::BYTES, SealedOtpKey::MAX_BYTES)]
pub struct SealedOtpKeyError;

/// An [`OtpDevice`] as stores hold it: with a sealed key.
///
/// Two sealed devices are equal if all their fields are, byte by byte. A key that is sealed twice
/// gives different bytes, so such devices are not equal.
///
/// ```
/// use merchant_otp_domain::{
///     OtpAlgorithm, OtpCounter, OtpDeviceDescription, OtpDeviceId, OtpKey, SealedOtpDevice,
///     SealedOtpKey,
/// };
///
/// let sealed = SealedOtpDevice {
///     id: OtpDeviceId::parse("till").unwrap(),
///     description: OtpDeviceDescription::parse("Till at the window").unwrap(),
///     key: SealedOtpKey::new(vec![7; 40]).unwrap(),
///     algorithm: OtpAlgorithm::TotpWithPrice,
///     counter: OtpCounter::default(),
/// };
/// let device = sealed.opened(OtpKey::from_base32("MZXW6").unwrap()).unwrap();
/// assert_eq!(device.id().as_str(), "till");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedOtpDevice {
    /// The identifier, unique in its instance.
    pub id: OtpDeviceId,
    /// The description of the device, for people.
    pub description: OtpDeviceDescription,
    /// The sealed key.
    pub key: SealedOtpKey,
    /// The algorithm that computes its codes.
    pub algorithm: OtpAlgorithm,
    /// The counter of a counter-based device.
    pub counter: OtpCounter,
}

impl SealedOtpDevice {
    /// The device with its opened key.
    ///
    /// # Errors
    ///
    /// As [`OtpDevice::new`].
    pub fn opened(self, key: OtpKey) -> Result<OtpDevice, OtpDeviceError> {
        OtpDevice::new(self.id, self.description, key, self.algorithm, self.counter)
    }
}

impl OtpDevice {
    /// The device with its sealed key.
    #[must_use]
    pub fn sealed(&self, key: SealedOtpKey) -> SealedOtpDevice {
        SealedOtpDevice {
            id: self.id().clone(),
            description: self.description().clone(),
            key,
            algorithm: self.algorithm(),
            counter: self.counter(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_begins_with_the_id_of_its_master_key() {
        let key = SealedOtpKey::new((1..=40).collect()).unwrap();
        assert_eq!(key.master_key(), MasterKeyId::new([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(key.master_key().to_string(), "0102030405060708");
        assert_eq!(key.sealed(), (9..=40).collect::<Vec<u8>>());
        assert_eq!(format!("{key:?}"), "SealedOtpKey(by 0102030405060708)");
        for length in [0, 7, 513] {
            assert_eq!(SealedOtpKey::new(vec![0; length]), Err(SealedOtpKeyError));
        }
        assert!(SealedOtpKey::new(vec![0; 8]).is_ok() && SealedOtpKey::new(vec![0; 512]).is_ok());
    }

    #[test]
    fn a_device_is_the_same_after_it_was_sealed() {
        let key = OtpKey::from_base32("MZXW6").unwrap();
        let device = OtpDevice::new(
            OtpDeviceId::parse("till").unwrap(),
            OtpDeviceDescription::parse("Till").unwrap(),
            key.clone(),
            OtpAlgorithm::TotpWithPrice,
            OtpCounter::new(7).unwrap(),
        )
        .unwrap();
        let sealed = device.sealed(SealedOtpKey::new(vec![0; 40]).unwrap());
        assert_eq!(sealed.clone().opened(key), Ok(device));
        let empty = OtpKey::from_bytes(Vec::new()).unwrap();
        assert_eq!(sealed.opened(empty), Err(OtpDeviceError::EmptyKey));
    }
}
