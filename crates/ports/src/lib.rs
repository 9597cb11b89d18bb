//! Interfaces between the application and the outside world, as traits.
//!
//! To add a database, implement the six `…Store` traits and [`StorageBackend`], and run the cases
//! of `merchant-otp-storage-contract` against them.
//!
//! All stores follow five rules:
//!
//! 1. **Atomic.** A method is one unit of work: it applies completely or not at all, even if its
//!    future is dropped. When its future resolves with success, what it wrote is durable.
//! 2. **Audited.** A method that takes an [`AuditEvent`](merchant_otp_domain::AuditEvent) appends
//!    it to the audit trail in the same unit of work, if and only if it changed something.
//! 3. **No policy.** Stores report what they found; the application decides what it means.
//! 4. **Exact.** Text is compared byte by byte, and every value is returned exactly as stored.
//! 5. **Errors change nothing.** A method that fails with [`StoreError`] has changed nothing, with
//!    one exception: after [`StoreError::Write`] the outcome is unknown if the connection broke
//!    during the commit.
//!
//! A store of a database that is a vector:
//!
//! ```
//! use std::sync::Mutex;
//!
//! use async_trait::async_trait;
//! use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};
//! use merchant_otp_ports::{
//!     AuditPosition, AuditRemoval, AuditStore, StoreResult, StoredAuditEvent,
//! };
//!
//! #[derive(Default)]
//! struct Trail(Mutex<Vec<StoredAuditEvent>>);
//!
//! #[async_trait]
//! impl AuditStore for Trail {
//!     async fn append(&self, event: AuditEvent) -> StoreResult<()> {
//!         let mut events = self.0.lock().unwrap();
//!         let serial = events.iter().map(|stored| stored.serial).max().unwrap_or(0) + 1;
//!         events.push(StoredAuditEvent { serial, event });
//!         Ok(())
//!     }
//!
//!     async fn list(
//!         &self,
//!         instance: &InstanceId,
//!         after: AuditPosition,
//!         limit: u16,
//!     ) -> StoreResult<Vec<StoredAuditEvent>> {
//!         let mut events = self.0.lock().unwrap().clone();
//!         events.retain(|stored| stored.event.instance == *instance && stored.position() > after);
//!         events.sort_by_key(StoredAuditEvent::position);
//!         events.truncate(limit.into());
//!         Ok(events)
//!     }
//!
//!     async fn remove_before(
//!         &self,
//!         time: Timestamp,
//!         after: Option<&InstanceId>,
//!         limit: u16,
//!     ) -> StoreResult<Option<AuditRemoval>> {
//!         let mut events = self.0.lock().unwrap();
//!         let instances = events.iter().map(|stored| &stored.event.instance);
//!         let Some(instance) = instances.filter(|id| Some(*id) > after).min().cloned() else {
//!             return Ok(None);
//!         };
//!         // The oldest first.
//!         events.sort_by_key(StoredAuditEvent::position);
//!         let mut removed = 0;
//!         events.retain(|StoredAuditEvent { event, .. }| {
//!             let is_kept = event.instance != instance || event.time >= time;
//!             let is_kept = is_kept || removed == u64::from(limit);
//!             removed += u64::from(!is_kept);
//!             is_kept
//!         });
//!         Ok(Some(AuditRemoval { instance, removed }))
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
};
pub use audit_store::{AuditPosition, AuditRemoval, AuditStore, StoredAuditEvent};
pub use clock::Clock;
pub use instance_store::{InstanceInsertion, InstanceStore, StoredInstance};
pub use key_sealer::{KeySealer, SealError, SealingContext};
pub use otp_device_store::{OtpDeviceInsertion, OtpDeviceStore};
pub use sealed_key_store::{DeviceKey, KeyReplacement, SealedKeyStore};
pub use storage_backend::{BackendError, StorageBackend};
pub use store_error::{Cause, StoreError, StoreResult};
pub use store_health::StoreHealth;

/// The stores of one database, for wiring.
///
/// A type that implements all of them makes a set by `Stores::from(Arc::new(stores))`.
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
