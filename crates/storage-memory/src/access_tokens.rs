//! Access tokens in memory.

use std::mem;

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, Expiration, InstanceId,
    Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, StoreError,
    StoreResult, StoredAccessToken, TokenBasis,
};

use crate::{InstanceContents, Memory};

#[async_trait]
impl AccessTokenStore for Memory {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        basis: TokenBasis,
        max_live: u32,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(AccessTokenInsertion::NoSuchInstance);
        };
        if !holds(&basis, owner) {
            return Ok(AccessTokenInsertion::BasisGone);
        }
        let is_live = |token: &StoredAccessToken| !token.info.expiration.is_over(info.created);
        let live = owner.access_tokens.iter().filter(|(_, token)| is_live(token)).count();
        if u32::try_from(live).is_ok_and(|live| live >= max_live) {
            return Ok(AccessTokenInsertion::TooMany);
        }
        if owner.access_tokens.iter().any(|(other, _)| *other == digest) {
            return Err(StoreError::Write("the digest is stored already".into()));
        }
        contents.last_token_serial += 1;
        let serial = AccessTokenSerial::new(contents.last_token_serial)
            .map_err(|error| StoreError::Write(error.into()))?;
        owner.access_tokens.push((digest, StoredAccessToken { serial, info }));
        contents.audit.append(AuditEvent { access_token: Some(serial), ..event.clone() });
        Ok(AccessTokenInsertion::Stored(serial))
    }

    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> StoreResult<AccessTokenLookup> {
        let contents = self.lock();
        let Some(owner) = contents.instances.get(instance) else {
            return Ok(AccessTokenLookup::NoSuchInstance);
        };
        if owner.stored.deleted {
            return Ok(AccessTokenLookup::InstanceDeleted);
        }
        let found = owner.access_tokens.iter().find(|(other, _)| other == digest);
        Ok(match found {
            Some((_, token)) => AccessTokenLookup::Found(token.clone()),
            None => AccessTokenLookup::NotFound,
        })
    }

    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> StoreResult<Vec<StoredAccessToken>> {
        let contents = self.lock();
        let owner = contents.instances.get(instance);
        // In order of their serials, because they were pushed in that order.
        let tokens = owner.into_iter().flat_map(|owner| &owner.access_tokens);
        let mut tokens: Vec<_> = tokens.map(|(_, token)| token.clone()).collect();
        match page {
            AccessTokenPage::After(serial) => tokens.retain(|token| token.serial.value() > serial),
            AccessTokenPage::Before(serial) => {
                tokens.retain(|token| token.serial.value() < serial);
                tokens.reverse();
            }
        }
        tokens.truncate(limit.into());
        Ok(tokens)
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(false);
        };
        let before = owner.access_tokens.len();
        owner.access_tokens.retain(|(_, token)| token.serial != serial);
        let removed = owner.access_tokens.len() < before;
        if removed {
            contents.audit.append(event.clone());
        }
        Ok(removed)
    }

    async fn remove_all(&self, instance: &InstanceId, event: &AuditEvent) -> StoreResult<u64> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(0);
        };
        let removed = mem::take(&mut owner.access_tokens).len();
        if removed > 0 {
            contents.audit.append(event.clone());
        }
        Ok(removed as u64)
    }

    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64> {
        let mut contents = self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(0);
        };
        let all = owner.access_tokens.len();
        let expires_before = |expiration| matches!(expiration, Expiration::At(end) if end < before);
        owner.access_tokens.retain(|(_, token)| !expires_before(token.info.expiration));
        Ok((all - owner.access_tokens.len()) as u64)
    }
}

/// Whether the basis of a new token still holds.
fn holds(basis: &TokenBasis, owner: &InstanceContents) -> bool {
    match basis {
        TokenBasis::Operator => true,
        TokenBasis::Password(hash) => {
            !owner.stored.deleted && owner.stored.password.as_ref() == Some(hash)
        }
        TokenBasis::Token { serial, now } => owner
            .access_tokens
            .iter()
            .any(|(_, token)| token.serial == *serial && !token.info.expiration.is_over(*now)),
    }
}
