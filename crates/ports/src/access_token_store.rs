//! The port for access tokens.

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, InstanceId, PasswordHash,
    Timestamp,
};

use crate::StoreResult;

/// The access tokens of all instances: their digests, scopes, times and descriptions.
///
/// ```
/// use merchant_otp_domain::{AccessToken, InstanceId};
/// use merchant_otp_ports::{AccessTokenLookup, AccessTokenStore, StoreResult};
///
/// async fn has_token(
///     store: &dyn AccessTokenStore,
///     instance: &InstanceId,
///     token: &AccessToken,
/// ) -> StoreResult<bool> {
///     let lookup = store.find(instance, &token.digest()).await?;
///     Ok(matches!(lookup, AccessTokenLookup::Found(_)))
/// }
/// ```
#[async_trait]
pub trait AccessTokenStore: Send + Sync + 'static {
    /// Stores a token of an instance and assigns it a serial, if its basis still holds.
    ///
    /// The basis is checked in the transaction that stores the token. [`Self::remove_all`] and
    /// [`InstanceStore::reset_password`](crate::InstanceStore::reset_password) therefore leave no
    /// token behind whose basis they removed, in no process.
    ///
    /// The instance gets at most `max_live` tokens that are not expired when the new one is
    /// created. They are counted in this transaction as well.
    ///
    /// Serials are at least 1, increase with every token, are unique in the whole database, and are
    /// never reused, not even after the token is removed. The event is stored with the serial as
    /// its `access_token`.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError); [`StoreError::Write`](crate::StoreError::Write) if the
    /// instance has a token with this digest: 256 random bits do not repeat.
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        basis: TokenBasis,
        max_live: u32,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion>;

    /// Finds the token of an instance by its digest, expired or not.
    ///
    /// Returns [`AccessTokenLookup::NotFound`] for a token of another instance.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> StoreResult<AccessTokenLookup>;

    /// Lists up to `limit` tokens of an instance, including expired ones.
    ///
    /// A page of fewer than `limit` tokens is the last one. An unknown instance has no tokens.
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

    /// Removes a token of an instance; returns whether the instance had one with this serial.
    ///
    /// [`AccessTokenStore::find`] never finds it again.
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

    /// Removes all tokens of an instance, including those that are stored concurrently on the basis
    /// of one of them; returns their number.
    ///
    /// The event is appended if there was a token.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove_all(&self, instance: &InstanceId, event: &AuditEvent) -> StoreResult<u64>;

    /// Removes the tokens of an instance that expire before a point in time; returns their number.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError).
    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64>;
}

/// An access token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccessToken {
    /// The serial, to revoke the token by.
    pub serial: AccessTokenSerial,
    /// The scope, times and description.
    pub info: AccessTokenInfo,
}

/// What justifies that an access token is issued. It must still hold when the token is stored.
///
/// ```
/// use merchant_otp_domain::{AccessTokenSerial, Timestamp};
/// use merchant_otp_ports::TokenBasis;
///
/// let serial = AccessTokenSerial::new(7).unwrap();
/// let basis = TokenBasis::Token { serial, now: Timestamp::EPOCH };
/// assert_ne!(basis, TokenBasis::Operator);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenBasis {
    /// The operator issues it: nothing is checked.
    Operator,
    /// The client presented the password: the instance is not deleted and has this hash.
    Password(PasswordHash),
    /// The client presented a token: the instance has this token, and it is not expired.
    Token {
        /// The serial of the token.
        serial: AccessTokenSerial,
        /// The current time.
        now: Timestamp,
    },
}

/// The range and order of a list of tokens.
///
/// ```
/// use merchant_otp_ports::AccessTokenPage;
///
/// let page = AccessTokenPage::After(7);
/// let contains = |serial: i64| match page {
///     AccessTokenPage::After(start) => serial > start,
///     AccessTokenPage::Before(start) => serial < start,
/// };
/// assert!(contains(8) && !contains(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenPage {
    /// Tokens with serials above this number, in ascending order.
    After(i64),
    /// Tokens with serials below this number, in descending order.
    Before(i64),
}

/// The outcome of storing an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenInsertion {
    /// The token is stored, with this serial.
    Stored(AccessTokenSerial),
    /// The instance does not exist. Nothing was changed.
    NoSuchInstance,
    /// The basis of the token no longer holds. Nothing was changed.
    BasisGone,
    /// The instance has too many tokens that are not expired. Nothing was changed.
    TooMany,
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
    /// The instance does not exist.
    NoSuchInstance,
}
