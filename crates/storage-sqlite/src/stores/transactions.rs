//! Units of work of several statements.

use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::{DatabaseErrorKind, Error};
use merchant_otp_domain::{AccessTokenSerial, AuditEvent};
use merchant_otp_ports::{KeyReplacement, StoreResult};
use merchant_otp_storage_sql::Failure;
use merchant_otp_storage_sql::rows::{NewAccessTokenRow, NewInstanceRow};
use merchant_otp_storage_sql::schema::{access_tokens, instances, otp_devices};

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

    /// Stores an access token; returns its serial, or `None` if the instance does not exist.
    pub(super) async fn insert_access_token(
        &self,
        row: NewAccessTokenRow,
        event: &AuditEvent,
    ) -> StoreResult<Option<AccessTokenSerial>> {
        let event = event.clone();
        let unit = move |connection: &mut SqliteConnection| {
            let serial = take_serials(connection, "access_tokens", 1)?;
            let inserted = diesel::insert_into(access_tokens::table)
                .values((access_tokens::serial.eq(serial), row))
                .execute(connection);
            match inserted {
                // Only the statement fails; the transaction can go on.
                Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                    return Ok(None);
                }
                inserted => inserted?,
            };
            let serial = AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
            let event = AuditEvent { access_token: Some(serial), ..event };
            append_events(connection, &[&event])?;
            Ok(Some(serial))
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
