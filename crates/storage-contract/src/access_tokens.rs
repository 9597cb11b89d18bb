//! Cases of the access-token store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenInfo, AccessTokenSerial, Expiration, InstanceId, Operation,
    Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, StoreError, StoredAccessToken,
    TokenBasis,
};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::audit::events;
use crate::samples::{
    EVENT, all_tokens, digest, event_of, instance, password_hash, stored_instance, stored_token,
    token_info,
};

/// A stored token is found by its digest and returned with its serial.
pub async fn a_token_is_found_by_its_digest(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let serial = stored_token(stores, &shop, 1).await;
    let found = stores.access_tokens.find(&shop, &digest(1)).await.unwrap();
    let expected = StoredAccessToken { serial, info: token_info() };
    assert_eq!(found, AccessTokenLookup::Found(expected));
    let other = stores.access_tokens.find(&shop, &digest(2)).await.unwrap();
    assert_eq!(other, AccessTokenLookup::NotFound);
}

/// Concurrent look-ups each get their own result.
pub async fn concurrent_token_lookups_find_their_own_tokens(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let deleted = stored_instance(stores, "deleted").await;
    let mut expected = Vec::new();
    for number in 0..32_u8 {
        let at = Timestamp::from_seconds(number.into()).unwrap();
        let info = AccessTokenInfo {
            scope: TokenScope {
                scope: Scope::ALL[usize::from(number) % Scope::ALL.len()],
                refreshable: number % 3 == 0,
            },
            created: at,
            expiration: if number % 2 == 0 { Expiration::Never } else { Expiration::At(at) },
            description: AccessTokenDescription::parse(number.to_string()).unwrap(),
        };
        let insertion = stores
            .access_tokens
            .insert(&shop, digest(number), info.clone(), TokenBasis::Operator, u32::MAX, &EVENT)
            .await
            .unwrap();
        let AccessTokenInsertion::Stored(serial) = insertion else { panic!("{insertion:?}") };
        let found = AccessTokenLookup::Found(StoredAccessToken { serial, info });
        expected.push((shop.clone(), number, found));
        expected.push((deleted.clone(), number, AccessTokenLookup::InstanceDeleted));
        expected.push((instance("nowhere").id, number, AccessTokenLookup::NoSuchInstance));
        expected.push((shop.clone(), number + 100, AccessTokenLookup::NotFound));
    }
    stored_token(stores, &deleted, 50).await;
    expected.push((shop.clone(), 50, AccessTokenLookup::NotFound));
    assert!(stores.instances.mark_deleted(&deleted, &EVENT).await.unwrap());

    let mut lookups = JoinSet::new();
    for (instance, number, expected) in expected {
        let store = Arc::clone(&stores.access_tokens);
        lookups.spawn(async move {
            assert_eq!(store.find(&instance, &digest(number)).await.unwrap(), expected);
        });
    }
    lookups.join_all().await;
}

/// An instance finds, lists and removes only its own tokens.
pub async fn a_token_of_another_instance_is_unknown(fixture: &Fixture) {
    let stores = &fixture.stores();
    let owner = stored_instance(stores, "owner").await;
    let other = stored_instance(stores, "other").await;
    let serial = stored_token(stores, &owner, 1).await;
    let found = stores.access_tokens.find(&other, &digest(1)).await.unwrap();
    assert_eq!(found, AccessTokenLookup::NotFound);
    assert_eq!(all_tokens(stores, &other).await, []);
    assert!(!stores.access_tokens.remove(&other, serial, &EVENT).await.unwrap());
    let found = stores.access_tokens.find(&owner, &digest(1)).await.unwrap();
    assert!(matches!(found, AccessTokenLookup::Found(_)));
}

/// Scope, times and description are returned as they were stored.
pub async fn every_detail_of_a_token_is_returned(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
    let times = [
        (at(0), Expiration::Never),
        (at(1_700_000_000), Expiration::At(at(1_700_000_001))),
        (at(Timestamp::MAX_SECONDS), Expiration::At(at(Timestamp::MAX_SECONDS))),
        (at(1), Expiration::At(at(0))),
    ];
    let descriptions = ["", "Büro, 2. Stock\n\"till\" 'one' \\ ; --", &"d".repeat(1024)];
    let mut number = 0;
    for &scope in Scope::ALL {
        for refreshable in [false, true] {
            let (created, expiration) = times[usize::from(number) % times.len()];
            let description = descriptions[usize::from(number) % descriptions.len()];
            let info = AccessTokenInfo {
                scope: TokenScope { scope, refreshable },
                created,
                expiration,
                description: AccessTokenDescription::parse(description).unwrap(),
            };
            let insertion = stores
                .access_tokens
                .insert(&shop, digest(number), info.clone(), TokenBasis::Operator, u32::MAX, &EVENT)
                .await
                .unwrap();
            let AccessTokenInsertion::Stored(serial) = insertion else {
                panic!("the instance is there")
            };
            let found = stores.access_tokens.find(&shop, &digest(number)).await.unwrap();
            assert_eq!(found, AccessTokenLookup::Found(StoredAccessToken { serial, info }));
            number += 1;
        }
    }
}

/// A new serial is larger than all earlier ones, even after their tokens are removed.
pub async fn serials_grow_and_are_never_used_again(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let first = stored_token(stores, &shop, 1).await;
    assert!(first.value() >= 1);
    let second = stored_token(stores, &shop, 2).await;
    assert!(second > first);
    assert!(stores.access_tokens.remove(&shop, second, &EVENT).await.unwrap());
    let third = stored_token(stores, &shop, 3).await;
    assert!(third > second);
    assert!(stores.instances.remove(&shop, &EVENT).await.unwrap());
    stored_instance(stores, "shop").await;
    let fourth = stored_token(stores, &shop, 4).await;
    assert!(fourth > third);
    let other = stored_instance(stores, "other").await;
    assert!(stored_token(stores, &other, 5).await > fourth);
}

/// All tokens of an instance are listed, including expired ones.
pub async fn tokens_are_listed_in_the_order_of_their_serials(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let past = Timestamp::from_seconds(1).unwrap();
    let expired = AccessTokenInfo { expiration: Expiration::At(past), ..token_info() };
    let insertion = stores
        .access_tokens
        .insert(&shop, digest(99), expired.clone(), TokenBasis::Operator, u32::MAX, &EVENT)
        .await
        .unwrap();
    let AccessTokenInsertion::Stored(serial) = insertion else { panic!("the instance is there") };
    let expired = StoredAccessToken { serial, info: expired };
    let mut serials = Vec::new();
    for number in 0..20 {
        serials.push(stored_token(stores, &shop, number).await);
    }
    let listed = all_tokens(stores, &shop).await;
    let fresh = |serial| StoredAccessToken { serial, info: token_info() };
    let expected: Vec<_> = [expired].into_iter().chain(serials.into_iter().map(fresh)).collect();
    assert_eq!(listed, expected);
}

/// A page contains the tokens after a serial, or the tokens before one in descending order.
pub async fn tokens_are_listed_in_pages(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    let mut serials = Vec::new();
    for number in 0..10 {
        serials.push(stored_token(stores, &shop, number).await.value());
        stored_token(stores, &other, 100 + number).await;
    }
    let page = async |page, limit| {
        let tokens = stores.access_tokens.list(&shop, page, limit).await.unwrap();
        tokens.iter().map(|token| token.serial.value()).collect::<Vec<_>>()
    };
    assert_eq!(page(AccessTokenPage::After(0), 3).await, serials[..3]);
    assert_eq!(page(AccessTokenPage::After(serials[2]), 3).await, serials[3..6]);
    assert_eq!(page(AccessTokenPage::After(serials[7]), 3).await, serials[8..]);
    assert_eq!(page(AccessTokenPage::After(serials[9]), 3).await, []);
    assert_eq!(page(AccessTokenPage::After(i64::MAX), 3).await, []);
    serials.reverse();
    assert_eq!(page(AccessTokenPage::Before(i64::MAX), 3).await, serials[..3]);
    assert_eq!(page(AccessTokenPage::Before(serials[2]), 3).await, serials[3..6]);
    assert_eq!(page(AccessTokenPage::Before(serials[7]), 3).await, serials[8..]);
    assert_eq!(page(AccessTokenPage::Before(serials[9]), 3).await, []);
    assert_eq!(page(AccessTokenPage::Before(i64::MIN), 3).await, []);
}

/// A removed token stays removed, and no other token is removed.
pub async fn a_removed_token_is_never_found_again(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let serial = stored_token(stores, &shop, 1).await;
    stored_token(stores, &shop, 2).await;
    assert!(stores.access_tokens.remove(&shop, serial, &EVENT).await.unwrap());
    assert!(!stores.access_tokens.remove(&shop, serial, &EVENT).await.unwrap());
    let removed = stores.access_tokens.find(&shop, &digest(1)).await.unwrap();
    assert_eq!(removed, AccessTokenLookup::NotFound);
    let kept = stores.access_tokens.find(&shop, &digest(2)).await.unwrap();
    assert!(matches!(kept, AccessTokenLookup::Found(_)));
}

/// Only the instance's tokens that expire before the given time are removed.
pub async fn tokens_that_expired_are_removed(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
    let expirations = [Expiration::At(at(99)), Expiration::At(at(100)), Expiration::Never];
    for (number, expiration) in (0..).zip(expirations) {
        for (instance, number) in [(&shop, number), (&other, number + 100)] {
            let info = AccessTokenInfo { expiration, ..token_info() };
            stores
                .access_tokens
                .insert(instance, digest(number), info, TokenBasis::Operator, u32::MAX, &EVENT)
                .await
                .unwrap();
        }
    }
    assert_eq!(stores.access_tokens.remove_expired(&shop, at(100)).await.unwrap(), 1);
    assert_eq!(stores.access_tokens.remove_expired(&shop, at(100)).await.unwrap(), 0);
    let left = all_tokens(stores, &shop).await;
    let left: Vec<_> = left.iter().map(|token| token.info.expiration).collect();
    assert_eq!(left, expirations[1..]);
    assert_eq!(all_tokens(stores, &other).await.len(), 3);
    let nobody = instance("nobody").id;
    assert_eq!(stores.access_tokens.remove_expired(&nobody, at(100)).await.unwrap(), 0);
}

/// Inserting a digest twice into one instance is a failed write; two instances may share a digest.
pub async fn a_digest_is_stored_once_per_instance(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    let serial = stored_token(stores, &shop, 1).await;
    let again = stores
        .access_tokens
        .insert(&shop, digest(1), token_info(), TokenBasis::Operator, u32::MAX, &EVENT)
        .await;
    assert!(matches!(again, Err(StoreError::Write(_))));
    assert_eq!(all_tokens(stores, &shop).await.len(), 1);
    let of_other = stored_token(stores, &other, 1).await;
    assert_ne!(of_other, serial);
    for (instance, serial) in [(&shop, serial), (&other, of_other)] {
        let found = stores.access_tokens.find(instance, &digest(1)).await.unwrap();
        let expected = StoredAccessToken { serial, info: token_info() };
        assert_eq!(found, AccessTokenLookup::Found(expected));
    }
}

/// An unknown instance is distinguished from an unknown token.
pub async fn an_unknown_instance_has_no_tokens(fixture: &Fixture) {
    let stores = &fixture.stores();
    let nobody = instance("nobody").id;
    let insertion = stores
        .access_tokens
        .insert(&nobody, digest(1), token_info(), TokenBasis::Operator, u32::MAX, &EVENT)
        .await
        .unwrap();
    assert_eq!(insertion, AccessTokenInsertion::NoSuchInstance);
    let lookup = stores.access_tokens.find(&nobody, &digest(1)).await.unwrap();
    assert_eq!(lookup, AccessTokenLookup::NoSuchInstance);
    assert_eq!(all_tokens(stores, &nobody).await, []);
}

/// A token is stored only if its basis holds when it is stored.
pub async fn a_token_is_stored_if_its_basis_holds(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    let (id, password) = (&shop.id, password_hash(1));
    stores.instances.insert(shop.clone(), Some(password.clone()), &EVENT).await.unwrap();
    let now = |seconds| Timestamp::from_seconds(seconds).unwrap();
    let next = AtomicU8::new(1);
    let insert = async |basis: TokenBasis| {
        let digest = digest(next.fetch_add(1, Ordering::Relaxed));
        let info = AccessTokenInfo { expiration: Expiration::At(now(100)), ..token_info() };
        stores.access_tokens.insert(id, digest, info, basis, u32::MAX, &EVENT).await.unwrap()
    };
    let parent = insert(TokenBasis::Operator).await;
    let AccessTokenInsertion::Stored(parent) = parent else { panic!("{parent:?}") };
    for (basis, holds) in [
        (TokenBasis::Password(password.clone()), true),
        (TokenBasis::Password(password_hash(2)), false),
        (TokenBasis::Token { serial: parent, now: now(99) }, true),
        // It expires at this time.
        (TokenBasis::Token { serial: parent, now: now(100) }, false),
        (TokenBasis::Token { serial: AccessTokenSerial::new(9_999).unwrap(), now: now(0) }, false),
    ] {
        let insertion = insert(basis.clone()).await;
        assert_eq!(matches!(insertion, AccessTokenInsertion::Stored(_)), holds, "{basis:?}");
        assert_eq!(insertion == AccessTokenInsertion::BasisGone, !holds, "{basis:?}");
    }
    // The token of another instance.
    let other = stored_instance(stores, "other").await;
    let basis = TokenBasis::Token { serial: parent, now: now(0) };
    let insertion =
        stores.access_tokens.insert(&other, digest(50), token_info(), basis, u32::MAX, &EVENT);
    assert_eq!(insertion.await.unwrap(), AccessTokenInsertion::BasisGone);

    assert!(stores.access_tokens.remove(id, parent, &EVENT).await.unwrap());
    let basis = TokenBasis::Token { serial: parent, now: now(0) };
    assert_eq!(insert(basis).await, AccessTokenInsertion::BasisGone);
    assert!(stores.instances.mark_deleted(id, &EVENT).await.unwrap());
    let basis = TokenBasis::Password(password);
    assert_eq!(insert(basis).await, AccessTokenInsertion::BasisGone);
}

/// An instance gets no more valid tokens than permitted, even by concurrent insertions. Expired
/// tokens, and those of other instances, do not count.
pub async fn valid_tokens_are_limited(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
    let insert = async |instance: &InstanceId, number, expiration, limit| {
        let info = AccessTokenInfo { created: at(100), expiration, ..token_info() };
        let basis = TokenBasis::Operator;
        let insertion =
            stores.access_tokens.insert(instance, digest(number), info, basis, limit, &EVENT);
        insertion.await.unwrap()
    };
    insert(&shop, 1, Expiration::At(at(100)), u32::MAX).await;
    insert(&shop, 2, Expiration::At(at(101)), u32::MAX).await;
    insert(&other, 3, Expiration::Never, u32::MAX).await;
    assert_eq!(insert(&shop, 4, Expiration::Never, 1).await, AccessTokenInsertion::TooMany);
    let insertion = insert(&shop, 4, Expiration::Never, 2).await;
    assert!(matches!(insertion, AccessTokenInsertion::Stored(_)), "{insertion:?}");
    let event = event_of("shop", Operation::IssueAccessToken);
    let before = events(stores, "shop").await.len();
    let info = AccessTokenInfo { created: at(100), ..token_info() };
    let basis = TokenBasis::Operator;
    let insertion = stores.access_tokens.insert(&shop, digest(5), info, basis, 2, &event);
    assert_eq!(insertion.await.unwrap(), AccessTokenInsertion::TooMany);
    assert_eq!(events(stores, "shop").await.len(), before);

    let mut tasks = JoinSet::new();
    for number in 10..30 {
        let (store, shop) = (Arc::clone(&stores.access_tokens), shop.clone());
        let info =
            AccessTokenInfo { created: at(100), expiration: Expiration::Never, ..token_info() };
        tasks.spawn(async move {
            store.insert(&shop, digest(number), info, TokenBasis::Operator, 5, &EVENT).await
        });
    }
    let insertions = tasks.join_all().await.into_iter().map(Result::unwrap);
    let is_stored = |insertion: &_| matches!(insertion, AccessTokenInsertion::Stored(_));
    assert_eq!(insertions.filter(is_stored).count(), 3);
    assert_eq!(all_tokens(stores, &shop).await.len(), 6);
}

/// Removing all tokens of an instance appends one event, and leaves other instances alone.
pub async fn all_tokens_of_an_instance_are_removed(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    for number in 1..=5 {
        stored_token(stores, &shop, number).await;
    }
    stored_token(stores, &other, 6).await;
    let event = event_of("shop", Operation::RevokeAllAccessTokens);
    assert_eq!(stores.access_tokens.remove_all(&shop, &event).await.unwrap(), 5);
    assert_eq!(all_tokens(stores, &shop).await, []);
    assert_eq!(all_tokens(stores, &other).await.len(), 1);
    assert_eq!(stores.access_tokens.remove_all(&shop, &event).await.unwrap(), 0);
    let unknown = instance("unknown").id;
    assert_eq!(stores.access_tokens.remove_all(&unknown, &event).await.unwrap(), 0);
    assert_eq!(events(stores, "shop").await, [event]);
}

/// A token that is exchanged again and again does not survive the removal of all tokens, or a
/// change of the password that revokes them.
pub async fn exchanges_do_not_survive_the_removal_of_all_tokens(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    stores.instances.insert(shop.clone(), Some(password_hash(1)), &EVENT).await.unwrap();
    for round in 0..6_u8 {
        let mut thieves = JoinSet::new();
        for thief in 0..4_u8 {
            let (store, id) = (Arc::clone(&stores.access_tokens), shop.id.clone());
            let first = round * 40 + thief * 10;
            let serial = stored_token(stores, &shop.id, first).await;
            thieves.spawn(async move {
                let mut serial = serial;
                for number in 1..10 {
                    let basis = TokenBasis::Token { serial, now: Timestamp::EPOCH };
                    let digest = digest(first + number);
                    match store
                        .insert(&id, digest, token_info(), basis, u32::MAX, &EVENT)
                        .await
                        .unwrap()
                    {
                        AccessTokenInsertion::Stored(next) => serial = next,
                        AccessTokenInsertion::BasisGone => return,
                        AccessTokenInsertion::NoSuchInstance | AccessTokenInsertion::TooMany => {
                            panic!("neither")
                        }
                    }
                }
            });
        }
        tokio::task::yield_now().await;
        if round % 2 == 0 {
            stores.access_tokens.remove_all(&shop.id, &EVENT).await.unwrap();
        } else {
            let reset =
                stores.instances.reset_password(&shop.id, password_hash(round + 2), &EVENT, &EVENT);
            assert!(reset.await.unwrap());
        }
        assert_eq!(all_tokens(stores, &shop.id).await, [], "round {round}");
        thieves.join_all().await;
        assert_eq!(all_tokens(stores, &shop.id).await, [], "round {round}");
    }
}

/// A new password and the removal of all tokens are one change.
pub async fn a_password_is_reset_with_the_removal_of_all_tokens(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    stores.instances.insert(shop.clone(), Some(password_hash(1)), &EVENT).await.unwrap();
    stored_token(stores, &shop.id, 1).await;
    let set = event_of("shop", Operation::SetPassword);
    let revoked = event_of("shop", Operation::RevokeAllAccessTokens);
    let reset = async |id: &InstanceId, number| {
        stores.instances.reset_password(id, password_hash(number), &set, &revoked).await.unwrap()
    };
    assert!(reset(&shop.id, 2).await);
    let found = stores.instances.find(&shop.id).await.unwrap().unwrap();
    assert_eq!(found.password, Some(password_hash(2)));
    assert_eq!(all_tokens(stores, &shop.id).await, []);
    // No token is left to revoke.
    assert!(reset(&shop.id, 3).await);
    assert_eq!(events(stores, "shop").await, [set.clone(), revoked.clone(), set.clone()]);
    assert!(!reset(&instance("unknown").id, 4).await);
    assert!(stores.instances.mark_deleted(&shop.id, &EVENT).await.unwrap());
    assert!(!reset(&shop.id, 5).await);
    assert_eq!(events(stores, "shop").await.len(), 3);
}
