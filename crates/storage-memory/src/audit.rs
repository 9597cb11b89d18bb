//! The audit trail in memory.

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};
use merchant_otp_ports::{AuditPosition, AuditRemoval, AuditStore, StoreResult, StoredAuditEvent};

use crate::Memory;

#[async_trait]
impl AuditStore for Memory {
    async fn append(&self, event: AuditEvent) -> StoreResult<()> {
        self.lock().audit.append(event);
        Ok(())
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> StoreResult<Vec<StoredAuditEvent>> {
        let contents = self.lock();
        let events = contents.audit.events.iter();
        let events = events.filter(|one| one.event.instance == *instance && one.position() > after);
        let mut events: Vec<_> = events.cloned().collect();
        events.sort_by_key(StoredAuditEvent::position);
        events.truncate(limit.into());
        Ok(events)
    }

    async fn remove_before(
        &self,
        time: Timestamp,
        after: Option<&InstanceId>,
        limit: u16,
    ) -> StoreResult<Option<AuditRemoval>> {
        let events = &mut self.lock().audit.events;
        let instances = events.iter().map(|stored| &stored.event.instance);
        let Some(instance) = instances.filter(|one| Some(*one) > after).min().cloned() else {
            return Ok(None);
        };
        let of_instance = |one: &&StoredAuditEvent| one.event.instance == instance;
        let mut old: Vec<_> = events
            .iter()
            .filter(of_instance)
            .map(StoredAuditEvent::position)
            .filter(|position| position.time < time)
            .collect();
        old.sort();
        old.truncate(limit.into());
        events.retain(|one| !of_instance(&one) || !old.contains(&one.position()));
        Ok(Some(AuditRemoval { instance, removed: old.len() as u64 }))
    }
}
