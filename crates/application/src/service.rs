//! The service: stores, sealer, clock, and what a process shares.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_ports::{Clock, KeySealer, Stores};

use crate::audit_rate_limiter::AuditRateLimiter;
use crate::password_hasher::PasswordHasher;
use crate::token_cache::TokenCache;

/// The use cases, over the stores, the sealer and the clock they were wired with.
pub struct Service {
    pub(crate) stores: Stores,
    pub(crate) sealer: Arc<dyn KeySealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: Arc<PasswordHasher>,
    pub(crate) audit_limiter: Arc<AuditRateLimiter>,
    token_cache: Arc<TokenCache>,
}

impl Service {
    /// Wires the use cases. Each access token is looked up each time that it is used.
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

    /// The same use cases, by which an access token that was found is not looked up again for
    /// `lifetime`.
    ///
    /// A token that this process revokes is refused at once nevertheless; one that another process
    /// revokes, when its time in the cache is over.
    #[must_use]
    pub fn with_token_cache(self, lifetime: Duration) -> Self {
        let token_cache = Arc::new(TokenCache::new(lifetime));
        Self { stores: token_cache.wrap(self.stores), token_cache, ..self }
    }

    /// The same use cases over another set of stores of the same database, for another thread.
    ///
    /// What must exist once per process is shared: password hashing with its permits, the limits of
    /// log-ins and of the audit trail, and the token cache.
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
