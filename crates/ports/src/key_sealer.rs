//! The port that seals and opens OTP keys.

use merchant_otp_domain::{InstanceId, MasterKeyId, OtpDeviceId, OtpKey, SealedOtpKey};
use thiserror::Error;

use crate::Cause;

/// Encrypts OTP keys before a store sees them, by master keys that no store has.
///
/// A sealed key opens in the context that it was sealed for and in no other, and not after a bit of
/// it was changed. The same key sealed twice gives different bytes, which reveal only the key's
/// length.
pub trait KeySealer: Send + Sync + 'static {
    /// The master key that seals.
    fn current(&self) -> MasterKeyId;

    /// Whether there is a master key of this id, to open with.
    fn has(&self, master_key: MasterKeyId) -> bool;

    /// Seals a key for a context, with the current master key.
    ///
    /// # Errors
    ///
    /// [`SealError::Failed`].
    fn seal(&self, key: &OtpKey, context: SealingContext<'_>) -> Result<SealedOtpKey, SealError>;

    /// Opens a key that was sealed for the same context.
    ///
    /// # Errors
    ///
    /// [`SealError::UnknownMasterKey`] or [`SealError::Invalid`].
    fn open(&self, sealed: &SealedOtpKey, context: SealingContext<'_>)
    -> Result<OtpKey, SealError>;
}

/// What a key is sealed for: associated data of the encryption.
#[derive(Clone, Copy, Debug)]
pub enum SealingContext<'a> {
    /// A device of an instance.
    Device(&'a InstanceId, &'a OtpDeviceId),
    /// The key check value of a master key, which proves at the start that it is the right one.
    CheckValue,
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
