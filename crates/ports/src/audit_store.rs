use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};

use crate::StoreError;

/// Keeps the audit trail. What is in it is not changed any more, and outlives its instance.
///
/// The other stores append to it too: what changes something takes the event of the change, and stores
/// both or none of them.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Appends an event that belongs to no change.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is stored then, [`StoreError::Write`] over a broken connection aside.
    async fn append(&self, event: AuditEvent) -> Result<(), StoreError>;

    /// The first `limit` events of an instance after a position, ordered by time, those of a second as
    /// they were appended.
    ///
    /// Fewer than `limit` are the last ones; an instance that nobody knows has none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> Result<Vec<StoredAuditEvent>, StoreError>;

    /// Removes events of all instances that are older than a point in time, among the first `limit` in the
    /// order of their serials that come after one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken connection aside.
    async fn remove_before(
        &self,
        time: Timestamp,
        after: i64,
        limit: u16,
    ) -> Result<AuditRemoval, StoreError>;
}

/// What came of removing old events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRemoval {
    /// How many were removed.
    pub removed: u64,
    /// The serial of the last one that was looked at; `None` if there was none.
    pub last: Option<i64>,
}

/// A place in the audit trail of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPosition {
    /// When the event before it was done.
    pub time: Timestamp,
    /// The number of that event; 0 for the first place of a second.
    pub serial: i64,
}

/// An event as a store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAuditEvent {
    /// Its number: 1 and up, unique in the whole database.
    pub serial: i64,
    /// What is known of it.
    pub event: AuditEvent,
}

impl StoredAuditEvent {
    /// The place after it.
    #[must_use]
    pub fn position(&self) -> AuditPosition {
        AuditPosition { time: self.event.time, serial: self.serial }
    }
}
