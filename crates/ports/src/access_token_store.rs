use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, InstanceId, Timestamp,
};

use crate::StoreError;

/// Keeps the digests of access tokens and what is known of the tokens, per instance.
#[async_trait]
pub trait AccessTokenStore: Send + Sync + 'static {
    /// Stores a token of an instance and gives it a serial.
    ///
    /// Serials are 1 and up, grow with every token stored, and are never used again, not even after
    /// the token is gone. They are unique in the whole database. The event is stored with the serial as
    /// that of its access token.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is stored then, [`StoreError::Write`] over a broken
    /// connection aside. A digest that is stored already, for whatever
    /// instance, is [`StoreError::Write`]: 256 random bits do not repeat.
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        event: &AuditEvent,
    ) -> Result<AccessTokenInsertion, StoreError>;

    /// The token of an instance that has this digest, expired or not.
    ///
    /// A token of another instance is [`AccessTokenLookup::Unknown`].
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> Result<AccessTokenLookup, StoreError>;

    /// Up to `limit` tokens of an instance, expired ones included.
    ///
    /// Fewer than `limit` are the last ones; an unknown instance has none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> Result<Vec<StoredAccessToken>, StoreError>;

    /// Removes a token of an instance; [`AccessTokenStore::find`] never finds it again.
    ///
    /// Answers whether the instance had one with this serial.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Removes the tokens of an instance that expire before a point in time; answers how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is removed then, [`StoreError::Write`] over a broken
    /// connection aside.
    async fn remove_expired(
        &self,
        instance: &InstanceId,
        before: Timestamp,
    ) -> Result<u64, StoreError>;
}

/// An access token as a store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccessToken {
    /// Its number.
    pub serial: AccessTokenSerial,
    /// What is known of it.
    pub info: AccessTokenInfo,
}

/// Which tokens of an instance a list has, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenPage {
    /// Those with serials above this number, in ascending order.
    After(i64),
    /// Those with serials below this number, in descending order.
    Before(i64),
}

/// What came of storing an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenInsertion {
    /// It is stored, with this serial.
    Stored(AccessTokenSerial),
    /// There is no such instance. Nothing was changed.
    NoSuchInstance,
}

/// What came of looking for an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTokenLookup {
    /// The instance has it.
    Found(StoredAccessToken),
    /// The instance is there, and has no such token.
    Unknown,
    /// The instance is marked as deleted, whatever tokens it has.
    InstanceDeleted,
    /// There is no such instance.
    NoSuchInstance,
}
