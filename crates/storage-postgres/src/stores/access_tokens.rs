use async_trait::async_trait;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::FutureExt;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, InstanceId, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, StoreResult,
    StoredAccessToken,
};
use merchant_otp_storage_sql::Failure;
use merchant_otp_storage_sql::rows::{AccessTokenRow, NewAccessTokenRow};
use merchant_otp_storage_sql::schema::access_tokens;

use super::{PostgresStores, audit, values};

#[async_trait]
impl AccessTokenStore for PostgresStores {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        let (row, event) = (NewAccessTokenRow::new(instance, &digest, &info), event.clone());
        let unit = self.shared.run(Failure::Write, move |connection| {
            connection
                .transaction(async move |connection| {
                    let serial = diesel::insert_into(access_tokens::table)
                        .values(row)
                        .returning(access_tokens::serial)
                        .get_result(connection)
                        .await;
                    let serial: i64 = match serial {
                        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                            return Ok(AccessTokenInsertion::NoSuchInstance);
                        }
                        serial => serial?,
                    };
                    let serial = AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
                    let event = AuditEvent { access_token: Some(serial), ..event };
                    audit::append(connection, &event).await?;
                    Ok(AccessTokenInsertion::Stored(serial))
                })
                .boxed()
        });
        unit.await
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
                self.shared.fetch(tokens.filter(serial.gt(after)).order(serial.asc())).await
            }
            AccessTokenPage::Before(before) => {
                self.shared.fetch(tokens.filter(serial.lt(before)).order(serial.desc())).await
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
        self.shared.write(statement).await
    }
}
