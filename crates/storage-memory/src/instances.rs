//! Instances in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, InstanceName, PasswordHash};
use merchant_otp_ports::{InstanceInsertion, InstanceStore, StoreResult, StoredInstance};

use crate::{InstanceContents, Memory};

#[async_trait]
impl InstanceStore for Memory {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion> {
        let mut contents = self.lock();
        if let Some(existing) = contents.instances.get(&instance.id) {
            return Ok(InstanceInsertion::Exists(existing.stored.clone()));
        }
        let id = instance.id.clone();
        contents.last_instance_serial += 1;
        let serial = contents.last_instance_serial;
        let stored = StoredInstance { serial, instance, password, deleted: false };
        contents.instances.insert(
            id,
            InstanceContents { stored, access_tokens: Vec::new(), otp_devices: BTreeMap::new() },
        );
        contents.audit.append(event.clone());
        Ok(InstanceInsertion::Stored)
    }

    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>> {
        Ok(self.lock().instances.get(id).map(|contents| contents.stored.clone()))
    }

    async fn list(&self) -> StoreResult<Vec<StoredInstance>> {
        Ok(self.lock().instances.values().map(|contents| contents.stored.clone()).collect())
    }

    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| stored.instance.name = name))
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| stored.password = Some(password)))
    }

    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| {
            stored.deleted = true;
            stored.password = None;
        }))
    }

    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        let mut contents = self.lock();
        let removed = contents.instances.remove(id).is_some();
        if removed {
            contents.audit.append(event.clone());
        }
        Ok(removed)
    }
}
