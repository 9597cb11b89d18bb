use async_trait::async_trait;
use diesel::prelude::*;
use merchant_otp_domain::{AuditEvent, Instance, InstanceId, InstanceName, PasswordHash};
use merchant_otp_ports::{InstanceInsertion, InstanceStore, StoreResult, StoredInstance};
use merchant_otp_storage_sql::Failure;
use merchant_otp_storage_sql::rows::{InstanceRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::instances;

use super::{SqliteStores, audit, values};
use crate::serials::take_serials;

#[async_trait]
impl InstanceStore for SqliteStores {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion> {
        let (row, event) = (NewInstanceRow::new(&instance, password.as_ref()), event.clone());
        let unit = move |connection: &mut SqliteConnection| {
            let existing = instances::table
                .find(instance.id.as_str())
                .select(InstanceRow::as_select())
                .get_result(connection)
                .optional()?;
            if let Some(existing) = existing {
                let existing = existing.into_instance().map_err(Failure::Corrupt)?;
                return Ok(InstanceInsertion::Exists(existing));
            }
            let serial = take_serials(connection, "instances", 1)?;
            diesel::insert_into(instances::table)
                .values((instances::serial.eq(serial), row))
                .execute(connection)?;
            audit::append(connection, &[&event])?;
            Ok(InstanceInsertion::Stored)
        };
        self.transaction(unit).await
    }

    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>> {
        let query = instances::table.find(id.as_str().to_owned()).select(InstanceRow::as_select());
        Ok(values(self.fetch(query).await?, InstanceRow::into_instance)?.pop())
    }

    async fn list(&self) -> StoreResult<Vec<StoredInstance>> {
        let query = instances::table.order(instances::id).select(InstanceRow::as_select());
        values(self.fetch(query).await?, InstanceRow::into_instance)
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
