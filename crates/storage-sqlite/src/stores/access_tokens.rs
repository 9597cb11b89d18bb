use async_trait::async_trait;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, InstanceId, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, StoreResult,
    StoredAccessToken,
};
use merchant_otp_storage_sql::rows::{AccessTokenRow, NewAccessTokenRow, TokenKey};
use merchant_otp_storage_sql::schema::{access_tokens, instances};
use merchant_otp_storage_sql::{Deduplicated, Failure};

use super::{EachResult, SqliteStores, audit, each, reading, values};
use crate::serials::take_serials;

#[async_trait]
impl AccessTokenStore for SqliteStores {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        let (row, event) = (NewAccessTokenRow::new(instance, &digest, &info), event.clone());
        let unit = move |connection: &mut SqliteConnection| {
            let inserted = connection.immediate_transaction(|connection| {
                let serial = take_serials(connection, "access_tokens", 1)?;
                diesel::insert_into(access_tokens::table)
                    .values((access_tokens::serial.eq(serial), row))
                    .execute(connection)?;
                let serial = AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
                let event = AuditEvent { access_token: Some(serial), ..event };
                audit::append(connection, &[&event])?;
                Ok(AccessTokenInsertion::Stored(serial))
            });
            match inserted {
                Err(Failure::Write(Error::DatabaseError(
                    DatabaseErrorKind::ForeignKeyViolation,
                    _,
                ))) => Ok(AccessTokenInsertion::NoSuchInstance),
                inserted => inserted,
            }
        };
        self.writer.run(unit).await
    }

    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> StoreResult<AccessTokenLookup> {
        self.batchers().tokens.run((instance.clone(), *digest.as_bytes())).await
    }

    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> StoreResult<Vec<StoredAccessToken>> {
        let tokens = access_tokens::table
            .filter(access_tokens::instance_id.eq(instance.as_str().to_owned()))
            .limit(limit.into())
            .select(AccessTokenRow::as_select());
        let serial = access_tokens::serial;
        let rows = match page {
            AccessTokenPage::After(after) => {
                self.fetch(tokens.filter(serial.gt(after)).order(serial.asc())).await
            }
            AccessTokenPage::Before(before) => {
                self.fetch(tokens.filter(serial.lt(before)).order(serial.desc())).await
            }
        };
        values(rows?, AccessTokenRow::into_token)
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let key = (instance.as_str().to_owned(), serial.value());
        self.change(event, diesel::delete(access_tokens::table.find(key))).await
    }

    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64> {
        let statement = diesel::delete(access_tokens::table)
            .filter(access_tokens::instance_id.eq(instance.as_str().to_owned()))
            .filter(access_tokens::expires_at.lt(before.seconds().cast_signed()));
        self.write(statement).await
    }
}

/// The outcomes of look-ups by instance and digest.
pub(super) fn find_all(
    connection: &mut SqliteConnection,
    requests: &[TokenKey],
) -> EachResult<AccessTokenLookup> {
    let requests = Deduplicated::new(requests);
    let found = reading(connection, |connection| {
        each(&requests.distinct, |(instance, digest)| {
            let of_instance = access_tokens::instance_id
                .eq(instances::id)
                .and(access_tokens::digest.eq(digest.as_slice()));
            // Without `first`: SQLite prepares a statement with a bound LIMIT at each execution.
            let found = instances::table
                .left_join(access_tokens::table.on(of_instance))
                .filter(instances::id.eq(instance.as_str()))
                .select((instances::deleted, Option::<AccessTokenRow>::as_select()))
                .get_result::<(bool, Option<AccessTokenRow>)>(connection)
                .optional()
                .map_err(Failure::Read)?;
            AccessTokenRow::into_lookup(found).map_err(Failure::Corrupt)
        })
    })?;
    Ok(requests.fan_out(&found))
}
