use async_trait::async_trait;
use diesel::prelude::*;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, InstanceName, PasswordHash};
use merchant_otp_ports::{InstanceInsertion, InstanceStore, StoreResult, StoredInstance};
use merchant_otp_storage_sql::Failure;
use merchant_otp_storage_sql::rows::{InstanceRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::instances;

use super::{PostgresStores, values};
use crate::executor::failed;

#[async_trait]
impl InstanceStore for PostgresStores {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion> {
        let row = NewInstanceRow::new(&instance, password.as_ref());
        let statement = diesel::insert_into(instances::table).values(row).on_conflict_do_nothing();
        if self.change(event, statement).await? {
            return Ok(InstanceInsertion::Stored);
        }
        let existing = InstanceStore::find(self, &instance.id).await?;
        let removed =
            || Failure::Contention("the conflicting instance was removed meanwhile".into());
        existing.map(InstanceInsertion::Exists).ok_or_else(|| failed(removed()))
    }

    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>> {
        let query = instances::table.find(id.as_str().to_owned()).select(InstanceRow::as_select());
        Ok(values(self.shared.fetch(query).await?, InstanceRow::into_instance)?.pop())
    }

    async fn list(&self) -> StoreResult<Vec<StoredInstance>> {
        let query = instances::table.order(instances::id).select(InstanceRow::as_select());
        values(self.shared.fetch(query).await?, InstanceRow::into_instance)
    }

    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let statement = diesel::update(instances::table.find(id.as_str().to_owned()))
            .filter(instances::deleted.eq(false))
            .set(instances::name.eq(name.as_str().to_owned()));
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
