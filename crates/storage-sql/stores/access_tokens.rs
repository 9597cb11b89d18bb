//! Queries of access tokens. Compiled into each SQL adapter and implemented on its `SqlStores`.

use async_trait::async_trait;
use diesel::prelude::*;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, InstanceId, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, StoreResult,
    StoredAccessToken, TokenBasis,
};
use merchant_otp_storage_sql::rows::{AccessTokenRow, NewAccessTokenRow};
use merchant_otp_storage_sql::schema::access_tokens;

use super::SqlStores;

#[async_trait]
impl AccessTokenStore for SqlStores {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        basis: TokenBasis,
        max_live: u32,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        let row = NewAccessTokenRow::new(instance, &digest, &info);
        self.insert_access_token(row, basis, max_live, event).await
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
        match page {
            AccessTokenPage::After(after) => {
                let tokens = tokens.filter(serial.gt(after)).order(serial.asc());
                self.reading.fetch(tokens, AccessTokenRow::into_token).await
            }
            AccessTokenPage::Before(before) => {
                let tokens = tokens.filter(serial.lt(before)).order(serial.desc());
                self.reading.fetch(tokens, AccessTokenRow::into_token).await
            }
        }
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

    async fn remove_all(&self, instance: &InstanceId, event: &AuditEvent) -> StoreResult<u64> {
        self.remove_access_tokens(instance, event).await
    }

    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64> {
        let statement = diesel::delete(access_tokens::table)
            .filter(access_tokens::instance_id.eq(instance.as_str().to_owned()))
            .filter(access_tokens::expires_at.lt(before.seconds().cast_signed()));
        self.writing.write(statement).await
    }
}
