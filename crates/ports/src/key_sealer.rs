//! The port that seals and opens OTP keys.

use merchant_otp_domain::{InstanceId, MasterKeyId, OtpDeviceId, OtpKey, SealedOtpKey};
use thiserror::Error;

use crate::Cause;

/// Encrypts OTP keys before a store sees them, by master keys that no store has.
///
/// What is sealed for a place opens there and nowhere else, and not after a bit of it was changed.
/// The same key sealed twice gives different bytes, which tell nothing but the key's length.
pub trait KeySealer: Send + Sync + 'static {
    /// The master key that seals.
    fn current(&self) -> MasterKeyId;

    /// Whether there is a master key of this id, to open with.
    fn has(&self, master_key: MasterKeyId) -> bool;

    /// Seals a key for a place, by the current master key.
    ///
    /// # Errors
    ///
    /// [`SealError::Failed`].
    fn seal(&self, key: &OtpKey, place: KeyPlace<'_>) -> Result<SealedOtpKey, SealError>;

    /// Opens what was sealed for a place.
    ///
    /// # Errors
    ///
    /// [`SealError::UnknownMasterKey`] or [`SealError::Invalid`].
    fn open(&self, sealed: &SealedOtpKey, place: KeyPlace<'_>) -> Result<OtpKey, SealError>;
}

/// Where a key is kept.
#[derive(Clone, Copy, Debug)]
pub enum KeyPlace<'a> {
    /// With a device of an instance.
    Device(&'a InstanceId, &'a OtpDeviceId),
    /// In the database itself, as a sample that shows at the start whether a master key is right.
    Sample,
}

/// Why a key is not sealed or opened.
#[derive(Debug, Error)]
pub enum SealError {
    /// Sealing needs random bits that are not to be had.
    #[error("sealing a key failed")]
    Failed(#[source] Cause),
    /// The master key that sealed it is not there.
    #[error("the master key {0} is not there")]
    UnknownMasterKey(MasterKeyId),
    /// It was changed, or sealed for another place.
    #[error("a sealed key was changed, or is in the wrong place (master key {0})")]
    Invalid(MasterKeyId),
}
