//! Queries of instances. Compiled into each SQL adapter and implemented on its `SqlStores`.

use async_trait::async_trait;
use diesel::prelude::*;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, PasswordHash};
use merchant_otp_ports::{
    InstanceInsertion, InstanceStore, StoreError, StoreResult, StoredInstance,
};
use merchant_otp_storage_sql::rows::{InstanceRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::instances;

use super::SqlStores;

#[async_trait]
impl InstanceStore for SqlStores {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion> {
        let row = NewInstanceRow::new(&instance, password.as_ref());
        if self.insert_instance(row, event).await? {
            return Ok(InstanceInsertion::Stored);
        }
        let existing = InstanceStore::find(self, &instance.id).await?;
        existing.map(InstanceInsertion::Exists).ok_or_else(|| {
            StoreError::Contention("the conflicting instance was removed meanwhile".into())
        })
    }

    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>> {
        let query = instances::table
            .find(id.as_str().to_owned())
            .select((InstanceRow::as_select(), instances::settings));
        Ok(self.reading.fetch(query, InstanceRow::into_complete_instance).await?.pop())
    }

    async fn list(&self) -> StoreResult<Vec<StoredInstance>> {
        let query = instances::table.order(instances::id).select(InstanceRow::as_select());
        self.reading.fetch(query, InstanceRow::into_instance).await
    }

    async fn replace(
        &self,
        current: &Instance,
        changed: &Instance,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let statement = diesel::update(instances::table.find(current.id.as_str().to_owned()))
            .filter(instances::deleted.eq(false))
            .filter(instances::name.eq(current.name.as_str().to_owned()))
            .filter(instances::settings.eq(current.settings.as_str().to_owned()))
            .set((
                instances::name.eq(changed.name.as_str().to_owned()),
                instances::settings.eq(changed.settings.as_str().to_owned()),
            ));
        self.change(event, statement).await
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let statement = diesel::update(instances::table.find(id.as_str().to_owned()))
            .filter(instances::deleted.eq(false))
            .set(instances::password_hash.eq(password.as_str().to_owned()));
        self.change(event, statement).await
    }

    async fn reset_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
        revocation: &AuditEvent,
    ) -> StoreResult<bool> {
        self.reset_instance_password(id, password, event, revocation).await
    }

    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        let statement = diesel::update(instances::table.find(id.as_str().to_owned()))
            .filter(instances::deleted.eq(false))
            .set((instances::deleted.eq(true), instances::password_hash.eq(None::<String>)));
        self.change(event, statement).await
    }

    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        self.change(event, diesel::delete(instances::table.find(id.as_str().to_owned()))).await
    }
}
