//! The port for the audit trail.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};

use crate::StoreResult;

/// The audit trail. Events are never changed, and outlive their instance.
///
/// The other stores append to it too: a method that changes something stores the event of the
/// change with it.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Appends an event that belongs to no change, such as a refusal.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn append(&self, event: AuditEvent) -> StoreResult<()>;

    /// The first `limit` events of an instance after a position, ordered by time, and within a
    /// second in the order in which they were appended.
    ///
    /// Fewer than `limit` are the last ones; an unknown instance has none.
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

    /// Removes old events of one instance: of the first one after `after`, by the bytes of its id,
    /// that has events.
    ///
    /// Starts with the first instance if `after` is `None`. Instances that were purged count as
    /// long as they have events. Of the events older than `time`, the `limit` oldest are removed.
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

/// Old events that were removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRemoval {
    /// The instance they belonged to.
    pub instance: InstanceId,
    /// How many were removed; the instance may have more old events if this is the limit.
    pub removed: u64,
}

/// A position in the audit trail of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPosition {
    /// The time of the event before it.
    pub time: Timestamp,
    /// The serial of that event; 0 for the first position of a second.
    pub serial: i64,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAuditEvent {
    /// Its number: 1 and up, unique in the whole database, never reused.
    pub serial: i64,
    /// The event.
    pub event: AuditEvent,
}

impl StoredAuditEvent {
    /// The position after it.
    #[must_use]
    pub fn position(&self) -> AuditPosition {
        AuditPosition { time: self.event.time, serial: self.serial }
    }
}
