//! The service: stores, sealer, clock, and the state that a process shares.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_ports::{Clock, KeySealer, Stores};

use crate::audit_rate_limiter::AuditRateLimiter;
use crate::password_hasher::PasswordHasher;
use crate::token_cache::TokenCache;

/// The use cases, on top of stores, a sealer and a clock.
pub struct Service {
    pub(crate) stores: Stores,
    pub(crate) sealer: Arc<dyn KeySealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: Arc<PasswordHasher>,
    pub(crate) audit_limiter: Arc<AuditRateLimiter>,
    token_cache: Arc<TokenCache>,
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
            token_cache: Arc::clone(&self.token_cache),
        }
    }
}
