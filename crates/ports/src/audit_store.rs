//! The port for the audit trail.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};

use crate::StoreResult;

/// The audit trail. Events are never changed, and outlive their instance.
///
/// The [example of this crate](crate) implements it.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Appends an event that belongs to no change, such as a refusal.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn append(&self, event: AuditEvent) -> StoreResult<()>;

    /// Lists the first `limit` events of an instance after a position, ordered by time, and within
    /// a second in the order in which they were appended.
    ///
    /// A page of fewer than `limit` events is the last one. An unknown instance has no events.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> StoreResult<Vec<StoredAuditEvent>>;

    /// Removes events older than `time` of one instance: the first one after `after` that has
    /// events.
    ///
    /// Instances are ordered by the bytes of their ids; `None` is before the first. Purged
    /// instances are included while they have events. The oldest events are removed first, at most
    /// `limit`. Returns `None` if no instance after `after` has events.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove_before(
        &self,
        time: Timestamp,
        after: Option<&InstanceId>,
        limit: u16,
    ) -> StoreResult<Option<AuditRemoval>>;
}

/// The outcome of [`AuditStore::remove_before`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRemoval {
    /// The instance that the events belonged to.
    pub instance: InstanceId,
    /// The number of removed events. If it is the limit, the instance may have more old events.
    pub removed: u64,
}

/// A position in the audit trail of an instance.
///
/// ```
/// use merchant_otp_domain::Timestamp;
/// use merchant_otp_ports::AuditPosition;
///
/// let time = Timestamp::from_seconds(1).unwrap();
/// let first = AuditPosition { time, serial: 0 };
/// assert!(first < AuditPosition { time, serial: 1 });
/// assert!(first > AuditPosition { time: Timestamp::EPOCH, serial: 9 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPosition {
    /// The time of the event before the position.
    pub time: Timestamp,
    /// The serial of that event, or 0 for the first position of a second.
    pub serial: i64,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAuditEvent {
    /// The serial: at least 1, unique in the whole database, and never reused.
    pub serial: i64,
    /// The event.
    pub event: AuditEvent,
}

impl StoredAuditEvent {
    /// The position after the event.
    #[must_use]
    pub fn position(&self) -> AuditPosition {
        AuditPosition { time: self.event.time, serial: self.serial }
    }
}
