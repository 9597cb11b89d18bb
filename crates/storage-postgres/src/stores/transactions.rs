//! Units of work of several statements.

use diesel::pg::Pg;
use diesel::prelude::{ExpressionMethods, QueryDsl, QueryResult};
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use merchant_otp_domain::{AccessTokenSerial, AuditEvent};
use merchant_otp_ports::{KeyReplacement, StoreResult};
use merchant_otp_storage_sql::Failure;
use merchant_otp_storage_sql::audit_rows::NewAuditEventRow;
use merchant_otp_storage_sql::rows::{NewAccessTokenRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::{access_tokens, audit_events, instances, otp_devices};

use super::SqlStores;

impl SqlStores {
    /// Executes a statement and, if it changed a row, appends the event of the change, in one
    /// transaction.
    pub(super) async fn change(
        &self,
        event: &AuditEvent,
        statement: impl QueryFragment<Pg> + QueryId + Send + 'static,
    ) -> StoreResult<bool> {
        let event = event.clone();
        let unit = self.writing.run(Failure::Write, |connection| {
            connection
                .transaction(async move |connection| {
                    let changed = statement.execute(connection).await? > 0;
                    if changed {
                        append(connection, &event).await?;
                    }
                    Ok(changed)
                })
                .boxed()
        });
        unit.await
    }

    /// Stores an instance unless its id exists; returns whether it was stored.
    pub(super) async fn insert_instance(
        &self,
        row: NewInstanceRow,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let statement = diesel::insert_into(instances::table).values(row).on_conflict_do_nothing();
        self.change(event, statement).await
    }

    /// Stores an access token; returns its serial, or `None` if the instance does not exist.
    pub(super) async fn insert_access_token(
        &self,
        row: NewAccessTokenRow,
        event: &AuditEvent,
    ) -> StoreResult<Option<AccessTokenSerial>> {
        let event = event.clone();
        let unit = self.writing.run(Failure::Write, move |connection| {
            connection
                .transaction(async move |connection| {
                    let serial = diesel::insert_into(access_tokens::table)
                        .values(row)
                        .returning(access_tokens::serial)
                        .get_result(connection)
                        .await;
                    let serial: i64 = match serial {
                        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                            return Ok(None);
                        }
                        serial => serial?,
                    };
                    let serial = AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
                    let event = AuditEvent { access_token: Some(serial), ..event };
                    append(connection, &event).await?;
                    Ok(Some(serial))
                })
                .boxed()
        });
        unit.await
    }

    /// Replaces sealed keys that are unchanged, in one transaction; returns the number of replaced
    /// keys.
    pub(super) async fn replace_keys(&self, replacements: Vec<KeyReplacement>) -> StoreResult<u64> {
        let unit = self.writing.run(Failure::Write, |connection| {
            connection
                .transaction(async move |connection| {
                    let mut replaced = 0;
                    for KeyReplacement { current, replacement } in &replacements {
                        let unchanged = otp_devices::table
                            .find((current.instance.as_str(), current.device.as_str()))
                            .filter(otp_devices::sealed_key.eq(current.key.as_bytes()));
                        replaced += diesel::update(unchanged)
                            .set(otp_devices::sealed_key.eq(replacement.as_bytes()))
                            .execute(connection)
                            .await? as u64;
                    }
                    Ok(replaced)
                })
                .boxed()
        });
        unit.await
    }

    /// Appends an event that is not part of a change.
    pub(super) async fn append_event(&self, event: AuditEvent) -> StoreResult<()> {
        let unit = self.writing.run(Failure::Write, |connection| {
            async move { Ok(append(connection, &event).await?) }.boxed()
        });
        unit.await
    }
}

/// Appends an event in the current transaction, if any.
async fn append(connection: &mut AsyncPgConnection, event: &AuditEvent) -> QueryResult<()> {
    let row = NewAuditEventRow::from(event);
    diesel::insert_into(audit_events::table).values(row).execute(connection).await.map(drop)
}
