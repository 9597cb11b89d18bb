//! The port for access tokens.

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, InstanceId, Timestamp,
};

use crate::StoreResult;

/// The access tokens of each instance: their digests, and what the tokens allow.
#[async_trait]
pub trait AccessTokenStore: Send + Sync + 'static {
    /// Stores a token of an instance and assigns it a serial.
    ///
    /// Serials are 1 and up, grow with every token stored, and are never reused, not even after the
    /// token is removed. They are unique in the whole database. The event is stored with the serial
    /// as its `access_token`.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError). A digest that the instance has already is
    /// [`StoreError::Write`](crate::StoreError::Write): 256 random bits do not repeat.
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion>;

    /// Finds the token of an instance by its digest, expired or not.
    ///
    /// A token of another instance is [`AccessTokenLookup::NotFound`].
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> StoreResult<AccessTokenLookup>;

    /// Up to `limit` tokens of an instance, expired ones included.
    ///
    /// Fewer than `limit` are the last ones; an unknown instance has none.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> StoreResult<Vec<StoredAccessToken>>;

    /// Removes a token of an instance; [`AccessTokenStore::find`] never finds it again.
    ///
    /// Returns whether the instance had one with this serial.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> StoreResult<bool>;

    /// Removes the tokens of an instance that expire before a point in time; returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64>;
}

/// An access token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccessToken {
    /// The number to revoke it by.
    pub serial: AccessTokenSerial,
    /// Scope, times and description.
    pub info: AccessTokenInfo,
}

/// Which tokens of an instance a list contains, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenPage {
    /// Those with serials above this number, in ascending order.
    After(i64),
    /// Those with serials below this number, in descending order.
    Before(i64),
}

/// The outcome of storing an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenInsertion {
    /// It is stored, with this serial.
    Stored(AccessTokenSerial),
    /// There is no such instance. Nothing was changed.
    NoSuchInstance,
}

/// The outcome of looking up an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTokenLookup {
    /// The instance has this token.
    Found(StoredAccessToken),
    /// The instance exists and has no such token.
    NotFound,
    /// The instance is marked as deleted, whether it has the token or not.
    InstanceDeleted,
    /// There is no such instance.
    NoSuchInstance,
}
