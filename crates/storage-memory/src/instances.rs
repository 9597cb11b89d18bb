//! Instances in memory.

use std::collections::BTreeMap;
use std::mem;

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, InstanceSettings, PasswordHash};
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
        let without_settings = |contents: &InstanceContents| {
            let mut stored = contents.stored.clone();
            stored.instance.settings = InstanceSettings::default();
            stored
        };
        Ok(self.lock().instances.values().map(without_settings).collect())
    }

    async fn replace(
        &self,
        current: &Instance,
        changed: &Instance,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let contents = &mut *self.lock();
        match contents.instances.get_mut(&current.id).map(|contents| &mut contents.stored) {
            Some(stored) if !stored.deleted && stored.instance == *current => {
                stored.instance = changed.clone();
                contents.audit.append(event.clone());
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| stored.password = Some(password)))
    }

    async fn reset_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
        revocation: &AuditEvent,
    ) -> StoreResult<bool> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(id).filter(|owner| !owner.stored.deleted)
        else {
            return Ok(false);
        };
        owner.stored.password = Some(password);
        contents.audit.append(event.clone());
        if !mem::take(&mut owner.access_tokens).is_empty() {
            contents.audit.append(revocation.clone());
        }
        Ok(true)
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
