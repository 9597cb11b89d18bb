//! Queries of the audit trail. Compiled into each SQL adapter and implemented on its `SqlStores`.

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};
use merchant_otp_ports::{AuditPosition, AuditRemoval, AuditStore, StoreResult, StoredAuditEvent};
use merchant_otp_storage_sql::audit_rows::AuditEventRow;
use merchant_otp_storage_sql::schema::audit_events;

use super::SqlStores;

#[async_trait]
impl AuditStore for SqlStores {
    async fn append(&self, event: AuditEvent) -> StoreResult<()> {
        self.append_event(event).await
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> StoreResult<Vec<StoredAuditEvent>> {
        let after = sql::<Bool>("(happened_at, serial) > (")
            .bind::<BigInt, _>(after.time.seconds().cast_signed())
            .sql(", ")
            .bind::<BigInt, _>(after.serial)
            .sql(")");
        let query = audit_events::table
            .filter(audit_events::instance_id.eq(instance.as_str().to_owned()))
            .filter(after)
            .order((audit_events::happened_at, audit_events::serial))
            .limit(limit.into())
            .select(AuditEventRow::as_select());
        self.reading.fetch(query, AuditEventRow::into_event).await
    }

    async fn remove_before(
        &self,
        time: Timestamp,
        after: Option<&InstanceId>,
        limit: u16,
    ) -> StoreResult<Option<AuditRemoval>> {
        // No id is empty, so all ids are greater than the empty text.
        let after = after.map(InstanceId::as_str).unwrap_or_default().to_owned();
        let next = audit_events::table
            .select(audit_events::instance_id)
            .filter(audit_events::instance_id.gt(after))
            .order(audit_events::instance_id)
            .limit(1);
        let instance = |id: String| Ok(InstanceId::parse(&id)?);
        let Some(instance) = self.reading.fetch(next, instance).await?.pop() else {
            return Ok(None);
        };
        let id = instance.as_str().to_owned();
        let oldest = audit_events::table
            .filter(audit_events::instance_id.eq(id.clone()))
            .filter(audit_events::happened_at.lt(time.seconds().cast_signed()))
            .order((audit_events::happened_at, audit_events::serial))
            .limit(limit.into())
            .select((audit_events::happened_at, audit_events::serial));
        let oldest: Vec<(i64, i64)> = self.reading.fetch(oldest, Ok).await?;
        let Some((happened_at, serial)) = oldest.last() else {
            return Ok(Some(AuditRemoval { instance, removed: 0 }));
        };
        let until_last = sql::<Bool>("(happened_at, serial) <= (")
            .bind::<BigInt, _>(*happened_at)
            .sql(", ")
            .bind::<BigInt, _>(*serial)
            .sql(")");
        let statement = diesel::delete(audit_events::table)
            .filter(audit_events::instance_id.eq(id))
            .filter(until_last);
        let removed = self.writing.write(statement).await?;
        Ok(Some(AuditRemoval { instance, removed }))
    }
}
