//! What the core of the merchant OTP service needs from outside, as traits.
//!
//! A team that adds a storage adapter reads this crate first, implements the six stores, and runs
//! the cases of `merchant-otp-storage-contract` against them.
//!
//! Rules that hold for every store:
//!
//! * Each method is one atomic unit of work. When its future resolves with success, what it wrote is
//!   durable; when the future is dropped earlier, everything or nothing of it happens.
//! * What changes something takes the event of the change, and appends it to the audit trail in the
//!   same unit of work, if it does change something.
//! * Stores decide nothing. They report what they found, and the application draws the conclusions.
//! * Texts are compared byte for byte, and every value comes back as it was stored, bit for bit.

mod access_token_store;
mod audit_store;
mod clock;
mod instance_store;
mod key_sealer;
mod otp_device_store;
mod sealed_key_store;
mod store_error;
mod store_health;

use std::sync::Arc;

pub use access_token_store::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, StoredAccessToken,
};
pub use audit_store::{AuditPosition, AuditRemoval, AuditStore, StoredAuditEvent};
pub use clock::Clock;
pub use instance_store::{InstanceInsertion, InstanceStore, StoredInstance};
pub use key_sealer::{KeyPlace, KeySealer, SealError};
pub use otp_device_store::{OtpDeviceInsertion, OtpDeviceStore};
pub use sealed_key_store::{DeviceKey, KeyReplacement, SealedKeyStore};
pub use store_error::{Cause, StoreError};
pub use store_health::StoreHealth;

/// The stores of one database, for wiring.
#[derive(Clone)]
pub struct Stores {
    /// Where instances are kept.
    pub instances: Arc<dyn InstanceStore>,
    /// Where access tokens are kept.
    pub access_tokens: Arc<dyn AccessTokenStore>,
    /// Where OTP devices are kept.
    pub otp_devices: Arc<dyn OtpDeviceStore>,
    /// Where the sealed keys of the devices are changed.
    pub sealed_keys: Arc<dyn SealedKeyStore>,
    /// Where the audit trail is kept.
    pub audit: Arc<dyn AuditStore>,
    /// Whether the database can be worked with.
    pub health: Arc<dyn StoreHealth>,
}
