//! The service: stores, sealer, clock, and the state that a process shares.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_ports::{Clock, KeySealer, Stores};

use crate::audit_rate_limiter::AuditRateLimiter;
use crate::password_hasher::PasswordHasher;
use crate::token_cache::TokenCache;

/// The maximum number of valid access tokens of an instance, unless it is set.
const DEFAULT_MAX_ACCESS_TOKENS: u32 = 10_000;

/// The use cases, on top of stores, a sealer and a clock. Clones share everything.
#[derive(Clone)]
pub struct Service {
    pub(crate) stores: Stores,
    pub(crate) sealer: Arc<dyn KeySealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: Arc<PasswordHasher>,
    pub(crate) audit_limiter: Arc<AuditRateLimiter>,
    pub(crate) password_use: PasswordUse,
    pub(crate) requires_old_password: bool,
    pub(crate) max_access_tokens: u32,
    token_cache: Arc<TokenCache>,
}

/// Where the password of an instance is accepted in place of an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordUse {
    /// Wherever an access token is accepted. The password has all permissions.
    #[default]
    Everywhere,
    /// At the log-in only.
    LogIn,
    /// Nowhere.
    Nowhere,
}

impl PasswordUse {
    pub(crate) fn is_everywhere(self) -> bool {
        self == Self::Everywhere
    }

    pub(crate) fn is_for_log_in(self) -> bool {
        self != Self::Nowhere
    }
}

impl Service {
    /// Creates a service. Access tokens are looked up at each use.
    #[must_use]
    pub fn new(stores: Stores, sealer: Arc<dyn KeySealer>, clock: Arc<dyn Clock>) -> Self {
        Self {
            stores,
            sealer,
            clock,
            passwords: Arc::new(PasswordHasher::new()),
            audit_limiter: Arc::default(),
            password_use: PasswordUse::default(),
            requires_old_password: false,
            max_access_tokens: DEFAULT_MAX_ACCESS_TOKENS,
            token_cache: Arc::new(TokenCache::new(Duration::ZERO)),
        }
    }

    /// Caches access tokens for `lifetime` after they were found.
    ///
    /// A token that this process revokes is refused immediately. A token that another process
    /// revokes is refused when its cache entry expires.
    #[must_use]
    pub fn with_token_cache(self, lifetime: Duration) -> Self {
        let token_cache = Arc::new(TokenCache::new(lifetime));
        Self { stores: token_cache.wrap(self.stores), token_cache, ..self }
    }

    /// Restricts where passwords are accepted in place of access tokens.
    #[must_use]
    pub fn with_password_use(self, password_use: PasswordUse) -> Self {
        Self { password_use, ..self }
    }

    /// Requires the old password from clients that change the password of an instance.
    #[must_use]
    pub fn with_required_old_password(self, requires_old_password: bool) -> Self {
        Self { requires_old_password, ..self }
    }

    /// Limits the valid access tokens of an instance, in place of 10,000.
    ///
    /// The limit is for clients; the operator can always issue another token.
    #[must_use]
    pub fn with_max_access_tokens(self, max_access_tokens: u32) -> Self {
        Self { max_access_tokens, ..self }
    }

    /// Returns a service on another set of stores of the same database, for another thread.
    ///
    /// State that must exist once per process is shared: password hashing with its permits, the
    /// limits of log-ins and of the audit trail, and the token cache.
    #[must_use]
    pub fn with_stores(&self, stores: Stores) -> Self {
        Self {
            stores: self.token_cache.wrap(stores),
            sealer: Arc::clone(&self.sealer),
            clock: Arc::clone(&self.clock),
            passwords: Arc::clone(&self.passwords),
            audit_limiter: Arc::clone(&self.audit_limiter),
            password_use: self.password_use,
            requires_old_password: self.requires_old_password,
            max_access_tokens: self.max_access_tokens,
            token_cache: Arc::clone(&self.token_cache),
        }
    }
}
