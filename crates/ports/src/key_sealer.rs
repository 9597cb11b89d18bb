//! The port that seals and opens OTP keys.

use merchant_otp_domain::{InstanceId, MasterKeyId, OtpDeviceId, OtpKey, SealedOtpKey};
use thiserror::Error;

use crate::Cause;

/// Encrypts OTP keys before they reach a store, with master keys that no store has.
///
/// A sealed key opens only in the context that it was sealed for, and only unmodified. Sealing a
/// key twice gives different bytes, which reveal only the length of the key.
///
/// ```
/// use merchant_otp_domain::SealedOtpKey;
/// use merchant_otp_ports::KeySealer;
///
/// /// Whether a key must be sealed again to finish a master-key rotation.
/// fn is_outdated(sealer: &dyn KeySealer, key: &SealedOtpKey) -> bool {
///     key.master_key() != sealer.current()
/// }
/// ```
pub trait KeySealer: Send + Sync + 'static {
    /// The id of the master key that seals.
    fn current(&self) -> MasterKeyId;

    /// Whether the master key of this id is available to open keys.
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

/// The context that a key is sealed for: associated data of the encryption.
///
/// ```
/// use merchant_otp_domain::{InstanceId, OtpDeviceId};
/// use merchant_otp_ports::SealingContext;
///
/// let (instance, device) = (InstanceId::admin(), OtpDeviceId::parse("till").unwrap());
/// let context = SealingContext::Device(&instance, &device);
/// assert!(matches!(context, SealingContext::Device(_, id) if id.as_str() == "till"));
/// ```
#[derive(Clone, Copy, Debug)]
pub enum SealingContext<'a> {
    /// A device of an instance.
    Device(&'a InstanceId, &'a OtpDeviceId),
    /// The key check value of a master key, which proves at start that it is the right one.
    CheckValue,
}

/// Error returned by [`KeySealer::seal`] and [`KeySealer::open`].
#[derive(Debug, Error)]
pub enum SealError {
    /// Sealing failed, for example because the system provides no random bits.
    #[error("sealing a key failed")]
    Failed(#[source] Cause),
    /// The master key that sealed the key is not available.
    #[error("the master key {0} is not there")]
    UnknownMasterKey(MasterKeyId),
    /// The sealed key was modified, or sealed for another context.
    #[error("a sealed key was changed, or is in the wrong place (master key {0})")]
    Invalid(MasterKeyId),
}
