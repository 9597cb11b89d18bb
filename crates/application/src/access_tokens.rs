//! Access tokens: issue, list and revoke them, and log in with a refreshable one.

use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, AccessTokenInfo, AccessTokenSerial, Actor, AuditEvent,
    Expiration, InstanceId, Lifetime, Operation, Outcome, Permission, Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::{AccessTokenInsertion, AccessTokenPage, StoredAccessToken, TokenBasis};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::grant::LogInBasis;
use crate::presented::Credentials;
use crate::retry::retry_contention;
use crate::{Error, Grant, LogIn, Presented, Refusal, Service};

/// How long an expired token stays listed, in seconds: 30 days.
const EXPIRED_RETENTION_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The properties of a new access token.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// The scope that it grants.
    pub scope: TokenScope,
    /// The lifetime; [`NewAccessToken::DEFAULT_LIFETIME`] if absent.
    pub lifetime: Option<Lifetime>,
    /// The purpose, in the words of its owner.
    pub description: AccessTokenDescription,
}

impl NewAccessToken {
    /// The default lifetime: a day.
    pub const DEFAULT_LIFETIME: Lifetime = Lifetime::Seconds(24 * 60 * 60);

    /// A token for the whole instance that never expires.
    #[must_use]
    pub fn for_everything() -> Self {
        Self {
            scope: TokenScope { scope: Scope::All, refreshable: false },
            lifetime: Some(Lifetime::Forever),
            description: AccessTokenDescription::default(),
        }
    }
}

/// A newly issued access token.
#[derive(Debug)]
pub struct IssuedAccessToken {
    /// The secret. It can be shown only now: the store keeps a digest of it.
    pub token: AccessToken,
    /// The serial number, for revoking it.
    pub serial: AccessTokenSerial,
    /// The scope that it grants.
    pub scope: TokenScope,
    /// When it expires.
    pub expiration: Expiration,
}

impl Service {
    /// Logs in to an instance with one of its refreshable access tokens, or with its password in
    /// place of a token.
    ///
    /// # Errors
    ///
    /// Same as [`Service::authorize`] with [`Permission::TokenRefresh`].
    pub async fn log_in_with_token(&self, presented: Presented<'_>) -> Result<LogIn, Error> {
        let (instance, address) = (presented.instance()?, presented.address);
        let operation = Operation::LogIn;
        let digest = match presented.credentials() {
            Some(Credentials::Password(password)) if self.password_use.is_for_log_in() => {
                let hash = self.check_bearer_password(&instance, password, address).await?;
                let caller = Caller { actor: Actor::Password, address };
                let basis = LogInBasis::Password(hash);
                return Ok(LogIn { instance, scope: Scope::All, caller, basis });
            }
            Some(Credentials::Token(digest)) => Some(digest),
            Some(Credentials::Password(_)) | None => None,
        };
        let token = self.authenticate(&instance, digest, address, operation).await?;
        let (scope, caller) = (token.info.scope, Caller::with_token(&token, address));
        if !scope.permits(Permission::TokenRefresh) {
            let error = Error::PermissionMissing(Permission::TokenRefresh);
            return Err(self.record_refusal(self.event(caller, &instance, operation), error).await);
        }
        let lifetime = match token.info.expiration {
            Expiration::Never => Lifetime::Forever,
            Expiration::At(end) => {
                let created = token.info.created.seconds();
                Lifetime::Seconds(end.seconds().saturating_sub(created))
            }
        };
        let basis = LogInBasis::Token { serial: token.serial, lifetime };
        Ok(LogIn { instance, scope: scope.scope, caller, basis })
    }

    /// Issues an access token to a client that logged in.
    ///
    /// # Errors
    ///
    /// [`Error::ScopeExceeded`] if the scope exceeds that of the log-in, [`Error::Unauthorized`] if
    /// what the client logged in with is no longer valid, [`Error::TooManyAccessTokens`],
    /// [`Error::InstanceUnknown`] if the
    /// instance was removed meanwhile, [`Error::NoRandomness`] or [`Error::Storage`].
    pub async fn issue_access_token(
        &self,
        log_in: &LogIn,
        new: NewAccessToken,
    ) -> Result<IssuedAccessToken, Error> {
        let event = self.event(log_in.caller, &log_in.instance, Operation::IssueAccessToken);
        match self.insert_access_token(log_in, new, &event).await {
            Ok(issued) => {
                let event = AuditEvent { access_token: Some(issued.serial), ..event };
                self.record_outcome(event, Ok(Outcome::Done)).await?;
                self.remove_expired_tokens(&log_in.instance).await;
                Ok(issued)
            }
            Err(error) => Err(self.record_refusal(event, error).await),
        }
    }

    async fn insert_access_token(
        &self,
        log_in: &LogIn,
        new: NewAccessToken,
        event: &AuditEvent,
    ) -> Result<IssuedAccessToken, Error> {
        let NewAccessToken { scope, lifetime, description } = new;
        if !log_in.scope.covers(scope.scope) {
            return Err(Error::ScopeExceeded);
        }
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(bits.as_mut_slice()).map_err(Error::NoRandomness)?;
        let token = AccessToken::from_random(&bits);

        let created = self.clock.now();
        let lifetime = lifetime.unwrap_or(NewAccessToken::DEFAULT_LIFETIME);
        let lifetime = match &log_in.basis {
            // A chain of tokens ends when one of them is not exchanged in time (ADR 0023).
            LogInBasis::Token { lifetime: longest, .. } => lifetime.min(*longest),
            LogInBasis::Operator | LogInBasis::Password(_) => lifetime,
        };
        let expiration = Expiration::after(created, lifetime);
        let info = AccessTokenInfo { scope, created, expiration, description };
        let (digest, instance) = (token.digest(), &log_in.instance);
        let basis = match &log_in.basis {
            LogInBasis::Operator => TokenBasis::Operator,
            LogInBasis::Password(hash) => TokenBasis::Password(hash.clone()),
            LogInBasis::Token { serial, .. } => TokenBasis::Token { serial: *serial, now: created },
        };
        let limit = match basis {
            // The operator can always issue one.
            TokenBasis::Operator => u32::MAX,
            TokenBasis::Password(_) | TokenBasis::Token { .. } => self.max_access_tokens,
        };
        let insert = || {
            let (info, basis) = (info.clone(), basis.clone());
            self.stores.access_tokens.insert(instance, digest, info, basis, limit, event)
        };
        match retry_contention(insert).await? {
            AccessTokenInsertion::Stored(serial) => {
                Ok(IssuedAccessToken { token, serial, scope, expiration })
            }
            AccessTokenInsertion::NoSuchInstance => Err(Error::InstanceUnknown),
            AccessTokenInsertion::BasisGone => Err(Error::Unauthorized(Refusal::Unknown)),
            AccessTokenInsertion::TooMany => Err(Error::TooManyAccessTokens { limit }),
        }
    }

    /// Removes tokens that expired long ago. Clients that log in every day would otherwise
    /// accumulate them.
    async fn remove_expired_tokens(&self, instance: &InstanceId) {
        let before = Timestamp::saturating(
            self.clock.now().seconds().saturating_sub(EXPIRED_RETENTION_SECONDS),
        );
        if let Err(error) = self.stores.access_tokens.remove_expired(instance, before).await {
            // The next log-in tries again.
            let cause = &error as &dyn std::error::Error;
            tracing::warn!(cause, %instance, "expired access tokens not removed");
        }
    }

    /// Returns up to `limit` access tokens of the grant's instance, including expired ones.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::TokensRead`], or
    /// [`Error::Storage`].
    pub async fn list_access_tokens(
        &self,
        grant: &Grant,
        page: AccessTokenPage,
        limit: u16,
    ) -> Result<Vec<StoredAccessToken>, Error> {
        let instance = grant.instance_for(Permission::TokensRead)?;
        let list = || self.stores.access_tokens.list(instance, page, limit);
        Ok(retry_contention(list).await?)
    }

    /// Revokes an access token of the grant's instance.
    ///
    /// # Errors
    ///
    /// [`Error::AccessTokenUnknown`] if the instance has no token with this serial,
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::TokensWrite`], or
    /// [`Error::Storage`].
    pub async fn revoke_access_token(
        &self,
        grant: &Grant,
        serial: AccessTokenSerial,
    ) -> Result<(), Error> {
        let instance = grant.instance_for(Permission::TokensWrite)?;
        let event = self.event_of_revocation(grant.caller, instance, serial);
        let revoked = match self.remove_access_token(instance, serial, &event).await {
            Ok(true) => Ok(Outcome::Done),
            Ok(false) => Err(Error::AccessTokenUnknown),
            Err(error) => Err(error),
        };
        self.record_outcome(event, revoked).await
    }

    /// Revokes all access tokens of the grant's instance, including those that are being issued in
    /// exchange for one of them; returns their number.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::TokensWrite`], or
    /// [`Error::Storage`].
    pub async fn revoke_all_access_tokens(&self, grant: &Grant) -> Result<u64, Error> {
        let instance = grant.instance_for(Permission::TokensWrite)?;
        let event = self.event(grant.caller, instance, Operation::RevokeAllAccessTokens);
        let remove = || self.stores.access_tokens.remove_all(instance, &event);
        match retry_contention(remove).await {
            Ok(removed) => {
                let outcome = if removed > 0 { Outcome::Done } else { Outcome::Unchanged };
                self.record_outcome(event, Ok(outcome)).await.map(|()| removed)
            }
            Err(error) => self.record_outcome(event, Err(error.into())).await.map(|()| 0),
        }
    }

    fn event_of_revocation(
        &self,
        caller: Caller,
        instance: &InstanceId,
        serial: AccessTokenSerial,
    ) -> AuditEvent {
        let event = self.event(caller, instance, Operation::RevokeAccessToken);
        AuditEvent { access_token: Some(serial), ..event }
    }

    async fn remove_access_token(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        let remove = || self.stores.access_tokens.remove(instance, serial, event);
        Ok(retry_contention(remove).await?)
    }

    /// Revokes the access token that the client presents. This requires no permission.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::InstanceDeleted`], [`Error::Unauthorized`] or
    /// [`Error::Storage`].
    pub async fn log_out(&self, presented: Presented<'_>) -> Result<(), Error> {
        let (instance, address) = (presented.instance()?, presented.address);
        let operation = Operation::RevokeAccessToken;
        let digest = match presented.credentials() {
            Some(Credentials::Token(digest)) => Some(digest),
            // A password is not revoked.
            Some(Credentials::Password(_)) | None => None,
        };
        let token = self.authenticate(&instance, digest, address, operation).await?;
        let caller = Caller::with_token(&token, address);
        let event = self.event_of_revocation(caller, &instance, token.serial);
        let revoked = match self.remove_access_token(&instance, token.serial, &event).await {
            Ok(true) => Ok(Outcome::Done),
            // Another request has just revoked it.
            Ok(false) => Ok(Outcome::Unchanged),
            Err(error) => Err(error),
        };
        self.record_outcome(event, revoked).await
    }
}
