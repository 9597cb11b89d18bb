//! Units of work of several statements.

use diesel::pg::Pg;
use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel::query_builder::{QueryFragment, QueryId};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use merchant_otp_domain::{AccessTokenSerial, AuditEvent, InstanceId, PasswordHash};
use merchant_otp_ports::{AccessTokenInsertion, KeyReplacement, StoreResult, TokenBasis};
use merchant_otp_storage_sql::audit_rows::NewAuditEventRow;
use merchant_otp_storage_sql::rows::{NewAccessTokenRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::{access_tokens, audit_events, instances, otp_devices};
use merchant_otp_storage_sql::{Failure, basis};

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

    /// Stores an access token if its basis holds and there are not too many.
    pub(super) async fn insert_access_token(
        &self,
        row: NewAccessTokenRow,
        basis: TokenBasis,
        max_live: u32,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        let event = event.clone();
        let unit = self.writing.run(Failure::Write, move |connection| {
            connection
                .transaction(async move |connection| {
                    // Excludes a concurrent removal of all tokens, or a change of the password:
                    // both lock the instance before they change anything. Excludes other
                    // insertions as well, so that the tokens can be counted.
                    let instance = instances::table
                        .find(&row.instance_id)
                        .select(instances::id)
                        .for_no_key_update()
                        .get_result::<String>(connection)
                        .await
                        .optional()?;
                    if instance.is_none() {
                        return Ok(AccessTokenInsertion::NoSuchInstance);
                    }
                    if !holds(connection, &basis, &row.instance_id).await? {
                        return Ok(AccessTokenInsertion::BasisGone);
                    }
                    let others = i64::from(max_live.saturating_sub(1));
                    let full = basis::tokens(&row.instance_id, others, row.created_at);
                    if full.get_result::<i64>(connection).await.optional()?.is_some() {
                        return Ok(AccessTokenInsertion::TooMany);
                    }
                    let serial: i64 = diesel::insert_into(access_tokens::table)
                        .values(row)
                        .returning(access_tokens::serial)
                        .get_result(connection)
                        .await?;
                    let serial = AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
                    let event = AuditEvent { access_token: Some(serial), ..event };
                    append(connection, &event).await?;
                    Ok(AccessTokenInsertion::Stored(serial))
                })
                .boxed()
        });
        unit.await
    }

    /// Removes all access tokens of an instance; returns their number.
    pub(super) async fn remove_access_tokens(
        &self,
        instance: &InstanceId,
        event: &AuditEvent,
    ) -> StoreResult<u64> {
        let (instance, event) = (instance.clone(), event.clone());
        let unit = self.writing.run(Failure::Write, move |connection| {
            connection
                .transaction(async move |connection| {
                    // The removal is a statement of its own, which sees the tokens of transactions
                    // that this one waited for.
                    instances::table
                        .find(instance.as_str())
                        .select(instances::id)
                        .for_no_key_update()
                        .get_result::<String>(connection)
                        .await
                        .optional()?;
                    Ok(remove_tokens(connection, &instance, &event).await?)
                })
                .boxed()
        });
        unit.await
    }

    /// Sets the password of an instance and removes its access tokens; returns whether it exists
    /// and is not deleted.
    pub(super) async fn reset_instance_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
        revocation: &AuditEvent,
    ) -> StoreResult<bool> {
        let (id, event, revocation) = (id.clone(), event.clone(), revocation.clone());
        let unit = self.writing.run(Failure::Write, move |connection| {
            connection
                .transaction(async move |connection| {
                    let set = diesel::update(instances::table.find(id.as_str()))
                        .filter(instances::deleted.eq(false))
                        .set(instances::password_hash.eq(password.as_str()))
                        .execute(connection)
                        .await?;
                    if set == 0 {
                        return Ok(false);
                    }
                    append(connection, &event).await?;
                    remove_tokens(connection, &id, &revocation).await?;
                    Ok(true)
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

/// Whether the basis of a new token holds. The lock of the instance keeps it so.
async fn holds(
    connection: &mut AsyncPgConnection,
    basis: &TokenBasis,
    instance: &str,
) -> QueryResult<bool> {
    match basis {
        TokenBasis::Operator => Ok(true),
        TokenBasis::Password(hash) => {
            let found =
                basis::password(instance, hash.as_str()).get_result::<String>(connection).await;
            Ok(found.optional()?.is_some())
        }
        TokenBasis::Token { serial, now } => {
            // The token itself may be revoked meanwhile, without a lock of the instance.
            let found =
                basis::token(instance, serial.value(), now.seconds().cast_signed()).for_key_share();
            Ok(found.get_result::<i64>(connection).await.optional()?.is_some())
        }
    }
}

/// Removes all access tokens of an instance; returns their number. Appends the event if there was
/// one.
async fn remove_tokens(
    connection: &mut AsyncPgConnection,
    instance: &InstanceId,
    event: &AuditEvent,
) -> QueryResult<u64> {
    let removed = diesel::delete(access_tokens::table)
        .filter(access_tokens::instance_id.eq(instance.as_str()))
        .execute(connection)
        .await?;
    if removed > 0 {
        append(connection, event).await?;
    }
    Ok(removed as u64)
}
