use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use merchant_otp_domain::{AuditEvent, InstanceId, Timestamp};
use merchant_otp_ports::{AuditPosition, AuditRemoval, AuditStore, StoreResult, StoredAuditEvent};
use merchant_otp_storage_sql::Failure;
use merchant_otp_storage_sql::audit_rows::{AuditEventRow, NewAuditEventRow};
use merchant_otp_storage_sql::schema::audit_events;

use super::{SqliteStores, values};
use crate::serials::take_serials;

#[async_trait]
impl AuditStore for SqliteStores {
    async fn append(&self, event: AuditEvent) -> StoreResult<()> {
        self.transaction(move |connection| Ok(append(connection, &[&event])?)).await
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
        values(self.fetch(query).await?, AuditEventRow::into_event)
    }

    async fn remove_before(
        &self,
        time: Timestamp,
        after: Option<&InstanceId>,
        limit: u16,
    ) -> StoreResult<Option<AuditRemoval>> {
        // No id is empty: all are after the empty one.
        let after = after.map(InstanceId::as_str).unwrap_or_default().to_owned();
        let next = audit_events::table
            .select(audit_events::instance_id)
            .filter(audit_events::instance_id.gt(after))
            .order(audit_events::instance_id)
            .limit(1);
        let Some(id) = self.fetch::<String>(next).await?.pop() else { return Ok(None) };
        let time = time.seconds().cast_signed();
        let oldest = audit_events::table
            .filter(audit_events::instance_id.eq(id.clone()))
            .filter(audit_events::happened_at.lt(time))
            .order((audit_events::happened_at, audit_events::serial))
            .limit(limit.into())
            .select((audit_events::happened_at, audit_events::serial));
        let oldest = self.fetch::<(i64, i64)>(oldest).await?;
        let removed = match oldest.last() {
            None => 0,
            Some((happened_at, serial)) => {
                let until_last = sql::<Bool>("(happened_at, serial) <= (")
                    .bind::<BigInt, _>(*happened_at)
                    .sql(", ")
                    .bind::<BigInt, _>(*serial)
                    .sql(")");
                let statement = diesel::delete(audit_events::table)
                    .filter(audit_events::instance_id.eq(id.clone()))
                    .filter(until_last);
                self.write(statement).await?
            }
        };
        let instance = values(vec![id], |id| Ok(InstanceId::parse(&id)?))?;
        Ok(instance.into_iter().next().map(|instance| AuditRemoval { instance, removed }))
    }
}

/// Appends events, inside a transaction.
pub(super) fn append(connection: &mut SqliteConnection, events: &[&AuditEvent]) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    let first = take_serials(connection, "audit_events", events.len())?;
    for (serial, event) in (first..).zip(events) {
        diesel::insert_into(audit_events::table)
            .values((audit_events::serial.eq(serial), NewAuditEventRow::from(*event)))
            .execute(connection)?;
    }
    Ok(())
}
