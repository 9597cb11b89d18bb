//! Units of work of several statements.

use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use merchant_otp_domain::{AccessTokenSerial, AuditEvent, InstanceId, PasswordHash};
use merchant_otp_ports::{AccessTokenInsertion, KeyReplacement, StoreResult, TokenBasis};
use merchant_otp_storage_sql::rows::{NewAccessTokenRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::{access_tokens, instances, otp_devices};
use merchant_otp_storage_sql::{Failure, basis};

use super::SqlStores;
use crate::serials::{append_events, take_serials};

impl SqlStores {
    /// Executes a unit of work in a write transaction.
    async fn transaction<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        self.writing.run(move |connection| connection.immediate_transaction(unit)).await
    }

    /// Executes a statement and, if it changed a row, appends the event of the change, in one
    /// transaction.
    pub(super) async fn change(
        &self,
        event: &AuditEvent,
        statement: impl ExecuteDsl<SqliteConnection> + Send + 'static,
    ) -> StoreResult<bool> {
        let event = event.clone();
        let unit = move |connection: &mut SqliteConnection| {
            let changed = ExecuteDsl::execute(statement, connection)? > 0;
            if changed {
                append_events(connection, &[&event])?;
            }
            Ok(changed)
        };
        self.transaction(unit).await
    }

    /// Stores an instance unless its id exists; returns whether it was stored.
    pub(super) async fn insert_instance(
        &self,
        row: NewInstanceRow,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let event = event.clone();
        let unit = move |connection: &mut SqliteConnection| {
            let exists = instances::table.find(&row.id).select(instances::id);
            if exists.get_result::<String>(connection).optional()?.is_some() {
                return Ok(false);
            }
            let serial = take_serials(connection, "instances", 1)?;
            diesel::insert_into(instances::table)
                .values((instances::serial.eq(serial), row))
                .execute(connection)?;
            append_events(connection, &[&event])?;
            Ok(true)
        };
        self.transaction(unit).await
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
        let unit = move |connection: &mut SqliteConnection| {
            let instance = instances::table.find(&row.instance_id).select(instances::id);
            if instance.get_result::<String>(connection).optional()?.is_none() {
                return Ok(AccessTokenInsertion::NoSuchInstance);
            }
            if !holds(connection, &basis, &row.instance_id)? {
                return Ok(AccessTokenInsertion::BasisGone);
            }
            let others = i64::from(max_live.saturating_sub(1));
            let full = basis::tokens(&row.instance_id, others, row.created_at);
            if full.get_result::<i64>(connection).optional()?.is_some() {
                return Ok(AccessTokenInsertion::TooMany);
            }
            let serial = take_serials(connection, "access_tokens", 1)?;
            diesel::insert_into(access_tokens::table)
                .values((access_tokens::serial.eq(serial), row))
                .execute(connection)?;
            let serial = AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
            let event = AuditEvent { access_token: Some(serial), ..event };
            append_events(connection, &[&event])?;
            Ok(AccessTokenInsertion::Stored(serial))
        };
        self.transaction(unit).await
    }

    /// Removes all access tokens of an instance; returns their number.
    pub(super) async fn remove_access_tokens(
        &self,
        instance: &InstanceId,
        event: &AuditEvent,
    ) -> StoreResult<u64> {
        let (instance, event) = (instance.clone(), event.clone());
        self.transaction(move |connection| Ok(remove_tokens(connection, &instance, &event)?)).await
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
        let unit = move |connection: &mut SqliteConnection| {
            let set = diesel::update(instances::table.find(id.as_str()))
                .filter(instances::deleted.eq(false))
                .set(instances::password_hash.eq(password.as_str()))
                .execute(connection)?;
            if set == 0 {
                return Ok(false);
            }
            append_events(connection, &[&event])?;
            remove_tokens(connection, &id, &revocation)?;
            Ok(true)
        };
        self.transaction(unit).await
    }

    /// Replaces sealed keys that are unchanged, in one transaction; returns the number of replaced
    /// keys.
    pub(super) async fn replace_keys(&self, replacements: Vec<KeyReplacement>) -> StoreResult<u64> {
        let unit = move |connection: &mut SqliteConnection| {
            let mut replaced = 0;
            for KeyReplacement { current, replacement } in &replacements {
                let unchanged = otp_devices::table
                    .find((current.instance.as_str(), current.device.as_str()))
                    .filter(otp_devices::sealed_key.eq(current.key.as_bytes()));
                replaced += diesel::update(unchanged)
                    .set(otp_devices::sealed_key.eq(replacement.as_bytes()))
                    .execute(connection)? as u64;
            }
            Ok(replaced)
        };
        self.transaction(unit).await
    }

    /// Appends an event that is not part of a change.
    pub(super) async fn append_event(&self, event: AuditEvent) -> StoreResult<()> {
        self.transaction(move |connection| Ok(append_events(connection, &[&event])?)).await
    }
}

/// Whether the basis of a new token holds. No other transaction can change it meanwhile.
fn holds(
    connection: &mut SqliteConnection,
    basis: &TokenBasis,
    instance: &str,
) -> QueryResult<bool> {
    match basis {
        TokenBasis::Operator => Ok(true),
        TokenBasis::Password(hash) => {
            let found = basis::password(instance, hash.as_str()).get_result::<String>(connection);
            Ok(found.optional()?.is_some())
        }
        TokenBasis::Token { serial, now } => {
            let found = basis::token(instance, serial.value(), now.seconds().cast_signed())
                .get_result::<i64>(connection);
            Ok(found.optional()?.is_some())
        }
    }
}

/// Removes all access tokens of an instance; returns their number. Appends the event if there was
/// one.
fn remove_tokens(
    connection: &mut SqliteConnection,
    instance: &InstanceId,
    event: &AuditEvent,
) -> QueryResult<u64> {
    let removed = diesel::delete(access_tokens::table)
        .filter(access_tokens::instance_id.eq(instance.as_str()))
        .execute(connection)?;
    if removed > 0 {
        append_events(connection, &[event])?;
    }
    Ok(removed as u64)
}
