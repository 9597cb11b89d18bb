//! Interfaces between the application and the outside world.
//!
//! To add a storage backend, implement the six traits of [`Stores`] and [`StorageBackend`], and run
//! `merchant-otp-storage-contract` against them.
//!
//! All stores follow five rules:
//!
//! 1. **Atomic.** A method is one unit of work: it applies completely or not at all, even if its
//!    future is dropped. On success its changes are durable.
//! 2. **Audited.** A method that takes an [`AuditEvent`](merchant_otp_domain::AuditEvent) appends
//!    it to the audit trail in the same unit of work, if and only if it changed something.
//! 3. **No policy.** Stores report what they found; the application decides what it means.
//! 4. **Exact.** Text is compared byte by byte, and every value is returned exactly as stored.
//! 5. **Errors change nothing.** A method that fails with [`StoreError`] has changed nothing, with
//!    one exception: after [`StoreError::Write`] the outcome is unknown if the connection broke
//!    during the commit.
//!
//! An audit trail in a [`BTreeMap`](std::collections::BTreeMap):
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::ops::Bound::{Excluded, Unbounded};
//! use std::sync::Mutex;
//!
//! use async_trait::async_trait;
//! use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};
//! use merchant_otp_ports::{
//!     AuditPosition, AuditRemoval, AuditStore, StoreResult, StoredAuditEvent,
//! };
//!
//! #[derive(Default)]
//! struct Events {
//!     by_position: BTreeMap<(InstanceId, AuditPosition), AuditEvent>,
//!     last_serial: i64,
//! }
//!
//! #[derive(Default)]
//! struct Trail(Mutex<Events>);
//!
//! #[async_trait]
//! impl AuditStore for Trail {
//!     async fn append(&self, event: AuditEvent) -> StoreResult<()> {
//!         let mut events = self.0.lock().unwrap();
//!         events.last_serial += 1;
//!         let position = AuditPosition { time: event.time, serial: events.last_serial };
//!         events.by_position.insert((event.instance.clone(), position), event);
//!         Ok(())
//!     }
//!
//!     async fn list(
//!         &self,
//!         instance: &InstanceId,
//!         after: AuditPosition,
//!         limit: u16,
//!     ) -> StoreResult<Vec<StoredAuditEvent>> {
//!         let events = self.0.lock().unwrap();
//!         let page = events
//!             .by_position
//!             .range((Excluded((instance.clone(), after)), Unbounded))
//!             .take_while(|((id, _), _)| id == instance)
//!             .take(limit.into())
//!             .map(|((_, position), event)| StoredAuditEvent {
//!                 serial: position.serial,
//!                 event: event.clone(),
//!             });
//!         Ok(page.collect())
//!     }
//!
//!     async fn remove_before(
//!         &self,
//!         time: Timestamp,
//!         after: Option<&InstanceId>,
//!         limit: u16,
//!     ) -> StoreResult<Option<AuditRemoval>> {
//!         let mut events = self.0.lock().unwrap();
//!         let mut instances = events.by_position.keys().map(|(id, _)| id);
//!         let Some(instance) = instances.find(|id| Some(*id) > after).cloned() else {
//!             return Ok(None);
//!         };
//!         let start_of = |time| (instance.clone(), AuditPosition { time, serial: 0 });
//!         let old = events.by_position.range(start_of(Timestamp::EPOCH)..start_of(time));
//!         let old: Vec<_> = old.take(limit.into()).map(|(key, _)| key.clone()).collect();
//!         for key in &old {
//!             events.by_position.remove(key);
//!         }
//!         Ok(Some(AuditRemoval { instance, removed: old.len() as u64 }))
//!     }
//! }
//! ```

mod access_token_store;
mod audit_store;
mod clock;
mod instance_store;
mod key_sealer;
mod otp_device_store;
mod sealed_key_store;
mod storage_backend;
mod store_error;
mod store_health;

use std::sync::Arc;

pub use access_token_store::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, StoredAccessToken,
    TokenBasis,
};
pub use audit_store::{AuditPosition, AuditRemoval, AuditStore, StoredAuditEvent};
pub use clock::Clock;
pub use instance_store::{InstanceInsertion, InstanceStore, StoredInstance};
pub use key_sealer::{KeySealer, SealError, SealingContext};
pub use otp_device_store::{OtpDeviceInsertion, OtpDeviceStore};
pub use sealed_key_store::{DamagedKey, DeviceKey, KeyReplacement, SealedKeyStore};
pub use storage_backend::{BackendError, StorageBackend};
pub use store_error::{Cause, StoreError, StoreResult};
pub use store_health::StoreHealth;

/// The stores of one database, for wiring.
///
/// A type that implements all six traits converts into a set of stores:
///
/// ```
/// use std::sync::Arc;
///
/// use merchant_otp_ports::{
///     AccessTokenStore, AuditStore, InstanceStore, OtpDeviceStore, SealedKeyStore, StoreHealth,
///     Stores,
/// };
///
/// fn stores<D>(database: D) -> Stores
/// where
///     D: InstanceStore
///         + AccessTokenStore
///         + OtpDeviceStore
///         + SealedKeyStore
///         + AuditStore
///         + StoreHealth,
/// {
///     Stores::from(Arc::new(database))
/// }
/// ```
#[derive(Clone)]
pub struct Stores {
    /// The instances.
    pub instances: Arc<dyn InstanceStore>,
    /// The access tokens.
    pub access_tokens: Arc<dyn AccessTokenStore>,
    /// The OTP devices.
    pub otp_devices: Arc<dyn OtpDeviceStore>,
    /// The sealed keys of all devices, for master-key rotation.
    pub sealed_keys: Arc<dyn SealedKeyStore>,
    /// The audit trail.
    pub audit: Arc<dyn AuditStore>,
    /// The health of the database.
    pub health: Arc<dyn StoreHealth>,
}

impl<S> From<Arc<S>> for Stores
where
    S: InstanceStore
        + AccessTokenStore
        + OtpDeviceStore
        + SealedKeyStore
        + AuditStore
        + StoreHealth,
{
    fn from(stores: Arc<S>) -> Self {
        Self {
            instances: stores.clone(),
            access_tokens: stores.clone(),
            otp_devices: stores.clone(),
            sealed_keys: stores.clone(),
            audit: stores.clone(),
            health: stores,
        }
    }
}
