//! A cache of access tokens, as a decorator of the stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, Instance, InstanceId,
    PasswordHash, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, InstanceInsertion,
    InstanceStore, StoreError, StoreResult, StoredAccessToken, StoredInstance, Stores, TokenBasis,
};
use quick_cache::sync::Cache;
use tokio::time::Instant;

/// The maximum number of tokens in the cache.
const CAPACITY: usize = 1024;

/// Recently found access tokens, so that not every request looks its token up.
///
/// One cache serves all sets of stores of a process. A token that this process removes is dropped
/// immediately; a token that another process removes, when its entry expires.
pub(crate) struct TokenCache {
    lifetime: Duration,
    /// The number of invalidations. Entries of an earlier generation are void.
    generation: AtomicU64,
    entries: Cache<(InstanceId, [u8; 32]), Entry>,
}

#[derive(Clone)]
struct Entry {
    generation: u64,
    found_at: Instant,
    token: StoredAccessToken,
}

impl TokenCache {
    /// An empty cache whose entries expire after `lifetime`; zero caches nothing.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, generation: AtomicU64::new(0), entries: Cache::new(CAPACITY) }
    }

    /// Wraps the stores of access tokens and of instances with the cache.
    pub(crate) fn wrap(self: &Arc<Self>, stores: Stores) -> Stores {
        if self.lifetime.is_zero() {
            return stores;
        }
        let Stores { access_tokens, instances, .. } = stores.clone();
        Stores {
            access_tokens: Arc::new(CachedStore { store: access_tokens, cache: self.clone() }),
            instances: Arc::new(CachedStore { store: instances, cache: self.clone() }),
            ..stores
        }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Voids all entries, and the look-ups in progress.
    fn invalidate_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Executes an operation that removes tokens, and then voids all entries.
    ///
    /// Runs as a separate task: a dropped caller must not skip the second part.
    async fn invalidating<T: Send + 'static>(
        self: &Arc<Self>,
        operation: impl Future<Output = StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        let cache = Arc::clone(self);
        let operation = tokio::spawn(async move {
            let result = operation.await;
            // Also after a failure: the tokens may be gone.
            cache.invalidate_all();
            result
        });
        operation.await.map_err(|ended| StoreError::Write(ended.into()))?
    }
}

/// A store behind the cache.
struct CachedStore<S: ?Sized> {
    store: Arc<S>,
    cache: Arc<TokenCache>,
}

#[async_trait]
impl AccessTokenStore for CachedStore<dyn AccessTokenStore> {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        basis: TokenBasis,
        max_live: u32,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        self.store.insert(instance, digest, info, basis, max_live, event).await
    }

    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> StoreResult<AccessTokenLookup> {
        let key = (instance.clone(), *digest.as_bytes());
        let (generation, found_at) = (self.cache.generation(), Instant::now());
        if let Some(entry) = self.cache.entries.get(&key)
            && entry.generation == generation
            && entry.found_at.elapsed() < self.cache.lifetime
        {
            return Ok(AccessTokenLookup::Found(entry.token));
        }
        let found = self.store.find(instance, digest).await?;
        if let AccessTokenLookup::Found(token) = &found {
            // The entry is void already if tokens were removed since the look-up began.
            self.cache.entries.insert(key, Entry { generation, found_at, token: token.clone() });
        }
        Ok(found)
    }

    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> StoreResult<Vec<StoredAccessToken>> {
        self.store.list(instance, page, limit).await
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let (store, instance, event) = (self.store.clone(), instance.clone(), event.clone());
        let remove = async move { store.remove(&instance, serial, &event).await };
        self.cache.invalidating(remove).await
    }

    async fn remove_all(&self, instance: &InstanceId, event: &AuditEvent) -> StoreResult<u64> {
        let (store, instance, event) = (self.store.clone(), instance.clone(), event.clone());
        self.cache.invalidating(async move { store.remove_all(&instance, &event).await }).await
    }

    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64> {
        // Expired tokens may stay in the cache: the expiration is checked at each use.
        self.store.remove_expired(instance, before).await
    }
}

#[async_trait]
impl InstanceStore for CachedStore<dyn InstanceStore> {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion> {
        self.store.insert(instance, password, event).await
    }

    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>> {
        self.store.find(id).await
    }

    async fn list(&self) -> StoreResult<Vec<StoredInstance>> {
        self.store.list().await
    }

    async fn replace(
        &self,
        current: &Instance,
        changed: &Instance,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        self.store.replace(current, changed, event).await
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        self.store.set_password(id, password, event).await
    }

    async fn reset_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
        revocation: &AuditEvent,
    ) -> StoreResult<bool> {
        let (store, id) = (self.store.clone(), id.clone());
        let (event, revocation) = (event.clone(), revocation.clone());
        let reset = async move { store.reset_password(&id, password, &event, &revocation).await };
        self.cache.invalidating(reset).await
    }

    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        let (store, id, event) = (self.store.clone(), id.clone(), event.clone());
        self.cache.invalidating(async move { store.mark_deleted(&id, &event).await }).await
    }

    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        let (store, id, event) = (self.store.clone(), id.clone(), event.clone());
        self.cache.invalidating(async move { store.remove(&id, &event).await }).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use merchant_otp_domain::{
        AccessToken, AccessTokenDescription, Expiration, Operation, Scope, TokenScope,
    };
    use tokio::time::advance;

    use super::*;
    use crate::caller::Caller;

    const SECOND: Duration = Duration::from_secs(1);

    /// Stores in memory behind a cache, and an instance with a token.
    struct Fixture {
        /// The stores behind the cache, as another process sees them.
        stores: Stores,
        cached: Stores,
        cache: Arc<TokenCache>,
        shop: InstanceId,
        digest: AccessTokenDigest,
        serial: AccessTokenSerial,
        event: AuditEvent,
    }

    async fn fixture(lifetime: Duration) -> Fixture {
        let stores = merchant_otp_storage_memory::open();
        let cache = Arc::new(TokenCache::new(lifetime));
        let cached = cache.wrap(stores.clone());
        let shop = InstanceId::parse("shop").unwrap();
        let event = AuditEvent {
            time: Timestamp::EPOCH,
            instance: shop.clone(),
            actor: Caller::OPERATOR.actor,
            address: None,
            operation: Operation::AddInstance,
            device: None,
            access_token: None,
            outcome: merchant_otp_domain::Outcome::Done,
            unrecorded: 0,
        };
        let instance = Instance { id: shop.clone(), ..Instance::admin() };
        cached.instances.insert(instance, None, &event).await.unwrap();
        let digest = AccessToken::parse("secret-token:a").unwrap().digest();
        let info = AccessTokenInfo {
            scope: TokenScope { scope: Scope::All, refreshable: false },
            created: Timestamp::EPOCH,
            expiration: Expiration::Never,
            description: AccessTokenDescription::default(),
        };
        let inserted = cached
            .access_tokens
            .insert(&shop, digest, info, TokenBasis::Operator, u32::MAX, &event)
            .await
            .unwrap();
        let AccessTokenInsertion::Stored(serial) = inserted else { panic!("{inserted:?}") };
        Fixture { stores, cached, cache, shop, digest, serial, event }
    }

    impl Fixture {
        async fn is_found(&self) -> bool {
            let found = self.cached.access_tokens.find(&self.shop, &self.digest).await.unwrap();
            matches!(found, AccessTokenLookup::Found(_))
        }

        /// Removes the token as another process does.
        async fn remove_elsewhere(&self) {
            let removed = self.stores.access_tokens.remove(&self.shop, self.serial, &self.event);
            assert!(removed.await.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_not_looked_up_again_until_its_entry_expires() {
        let fixture = fixture(SECOND).await;
        assert!(fixture.is_found().await);
        fixture.remove_elsewhere().await;
        advance(Duration::from_millis(999)).await;
        assert!(fixture.is_found().await);
        // The cache has no entry for another instance or another token.
        let other = InstanceId::parse("other").unwrap();
        let found = fixture.cached.access_tokens.find(&other, &fixture.digest).await.unwrap();
        assert_eq!(found, AccessTokenLookup::NoSuchInstance);
        let digest = AccessToken::parse("secret-token:b").unwrap().digest();
        let found = fixture.cached.access_tokens.find(&fixture.shop, &digest).await.unwrap();
        assert_eq!(found, AccessTokenLookup::NotFound);
        advance(Duration::from_millis(1)).await;
        assert!(!fixture.is_found().await);
    }

    #[tokio::test]
    async fn without_a_lifetime_each_use_is_a_look_up() {
        let fixture = fixture(Duration::ZERO).await;
        assert!(fixture.is_found().await);
        fixture.remove_elsewhere().await;
        assert!(!fixture.is_found().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_removed_by_this_process_is_not_found_at_once() {
        let fixture = fixture(SECOND).await;
        let Fixture { cached, shop, event, .. } = &fixture;
        assert!(fixture.is_found().await);
        assert!(cached.access_tokens.remove(shop, fixture.serial, event).await.unwrap());
        assert!(!fixture.is_found().await);

        let fixture = self::fixture(SECOND).await;
        let Fixture { cached, shop, event, .. } = &fixture;
        assert!(fixture.is_found().await);
        assert!(cached.instances.mark_deleted(shop, event).await.unwrap());
        assert!(!fixture.is_found().await);

        let fixture = self::fixture(SECOND).await;
        let Fixture { cached, shop, event, .. } = &fixture;
        assert!(fixture.is_found().await);
        assert!(cached.instances.remove(shop, event).await.unwrap());
        assert!(!fixture.is_found().await);
    }

    /// The removal completes and the entry is void even if the caller does not wait for it.
    #[tokio::test(start_paused = true)]
    async fn a_dropped_caller_does_not_skip_the_invalidation() {
        let fixture = fixture(SECOND).await;
        let Fixture { cached, shop, event, .. } = &fixture;
        assert!(fixture.is_found().await);
        let mut remove = cached.access_tokens.remove(shop, fixture.serial, event);
        let polled = futures_once(&mut remove).await;
        assert!(!polled);
        drop(remove);
        tokio::task::yield_now().await;
        assert!(!fixture.is_found().await);
    }

    /// Polls a future once; returns whether it is done.
    async fn futures_once<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready())
        })
        .await
    }

    /// A look-up that began before a removal must not fill the cache after it.
    #[tokio::test(start_paused = true)]
    async fn a_look_up_overtaken_by_a_removal_is_not_cached() {
        let fixture = fixture(SECOND).await;
        let generation = fixture.cache.generation();
        assert!(fixture.is_found().await);
        let key = (fixture.shop.clone(), *fixture.digest.as_bytes());
        let entry = fixture.cache.entries.get(&key).unwrap();
        assert_eq!(entry.generation, generation);
        fixture.cache.invalidate_all();
        fixture.remove_elsewhere().await;
        // Insert the entry as the overtaken look-up would.
        fixture.cache.entries.insert(key, entry);
        assert!(!fixture.is_found().await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_has_a_limit() {
        let fixture = fixture(SECOND).await;
        assert!(fixture.is_found().await);
        let key = (fixture.shop.clone(), *fixture.digest.as_bytes());
        let entry = fixture.cache.entries.get(&key).unwrap();
        for number in 0..3 * CAPACITY {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            fixture.cache.entries.insert((fixture.shop.clone(), digest), entry.clone());
        }
        assert!(fixture.cache.entries.len() <= CAPACITY);
    }
}
