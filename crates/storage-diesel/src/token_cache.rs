use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use merchant_otp_domain::{AccessTokenDigest, InstanceId};
use merchant_otp_ports::StoredAccessToken;

/// How many tokens are remembered at the most.
const MOST: usize = 1024;

/// Remembers for a short time tokens that were found, so that not every request has to look them up.
///
/// What this process takes away is forgotten at once; what others take away, when the time is over.
pub(crate) struct TokenCache {
    lifetime: Duration,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// Grows with each time that all is forgotten.
    generation: u64,
    tokens: HashMap<(InstanceId, [u8; 32]), (Instant, StoredAccessToken)>,
}

/// The moment before a token is looked up.
pub(crate) struct Lookup {
    generation: u64,
    begin: Instant,
}

impl TokenCache {
    /// Remembers for so long; not at all if that is zero.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, remembered: Mutex::default() }
    }

    /// A token that was found a short time ago, or what [`TokenCache::remember`] needs.
    pub(crate) fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> Result<StoredAccessToken, Lookup> {
        let begin = Instant::now();
        if self.lifetime.is_zero() {
            return Err(Lookup { generation: 0, begin });
        }
        let remembered = self.lock();
        match remembered.tokens.get(&(instance.clone(), *digest.as_bytes())) {
            Some((found, token)) if found.elapsed() < self.lifetime => Ok(token.clone()),
            _ => Err(Lookup { generation: remembered.generation, begin }),
        }
    }

    /// Remembers a token from the time on when it began to be looked up, if nothing was forgotten since.
    pub(crate) fn remember(
        &self,
        lookup: &Lookup,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
        token: &StoredAccessToken,
    ) {
        if self.lifetime.is_zero() {
            return;
        }
        let mut remembered = self.lock();
        if remembered.generation != lookup.generation {
            return;
        }
        if remembered.tokens.len() >= MOST {
            remembered.tokens.clear();
        }
        let key = (instance.clone(), *digest.as_bytes());
        remembered.tokens.insert(key, (lookup.begin, token.clone()));
    }

    /// Forgets all, also what is being looked up: some of it was taken away.
    pub(crate) fn forget(&self) {
        let mut remembered = self.lock();
        remembered.generation += 1;
        remembered.tokens.clear();
    }

    /// Nothing panics between two changes.
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use merchant_otp_domain::{
        AccessToken, AccessTokenDescription, AccessTokenInfo, AccessTokenSerial, Expiration, Scope,
        Timestamp, TokenScope,
    };

    use super::*;

    fn token() -> StoredAccessToken {
        let info = AccessTokenInfo {
            scope: TokenScope { scope: Scope::All, refreshable: false },
            created: Timestamp::EPOCH,
            expiration: Expiration::Never,
            description: AccessTokenDescription::default(),
        };
        StoredAccessToken { serial: AccessTokenSerial::new(1).unwrap(), info }
    }

    fn digest(text: &str) -> AccessTokenDigest {
        AccessToken::parse(text).unwrap().digest()
    }

    #[test]
    fn what_was_found_is_remembered_for_a_while() {
        let (admin, digest) = (InstanceId::admin(), digest("secret-token:a"));
        let cache = TokenCache::new(Duration::from_millis(50));
        let lookup = cache.find(&admin, &digest).unwrap_err();
        cache.remember(&lookup, &admin, &digest, &token());
        assert_eq!(cache.find(&admin, &digest).ok(), Some(token()));
        // Of another instance, or another token, nothing.
        assert!(cache.find(&InstanceId::parse("shop").unwrap(), &digest).is_err());
        assert!(cache.find(&admin, &self::digest("secret-token:b")).is_err());
        std::thread::sleep(Duration::from_millis(60));
        assert!(cache.find(&admin, &digest).is_err());
    }

    #[test]
    fn what_is_taken_away_is_forgotten_while_it_is_looked_up_too() {
        let (admin, digest) = (InstanceId::admin(), digest("secret-token:a"));
        let cache = TokenCache::new(Duration::from_hours(1));
        let lookup = cache.find(&admin, &digest).unwrap_err();
        cache.remember(&lookup, &admin, &digest, &token());
        cache.forget();
        assert!(cache.find(&admin, &digest).is_err());
        // Found before it was taken away.
        cache.remember(&lookup, &admin, &digest, &token());
        assert!(cache.find(&admin, &digest).is_err());
    }

    #[test]
    fn nothing_is_remembered_for_no_time_and_not_too_much_otherwise() {
        let (admin, digest) = (InstanceId::admin(), digest("secret-token:a"));
        let cache = TokenCache::new(Duration::ZERO);
        let lookup = cache.find(&admin, &digest).unwrap_err();
        cache.remember(&lookup, &admin, &digest, &token());
        assert!(cache.find(&admin, &digest).is_err());
        let cache = TokenCache::new(Duration::from_hours(1));
        for number in 0..3 * MOST {
            let digest = self::digest(&format!("secret-token:{number}"));
            let lookup = cache.find(&admin, &digest).unwrap_err();
            cache.remember(&lookup, &admin, &digest, &token());
            assert!(cache.lock().tokens.len() <= MOST);
        }
    }
}
