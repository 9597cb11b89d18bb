//! Cases of the access-token store.

use std::sync::Arc;

use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenInfo, Expiration, Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, StoreError, StoredAccessToken,
    TokenBasis,
};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::samples::{
    EVENT, all_tokens, digest, instance, stored_instance, stored_token, token_info,
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
    let unknown = instance("unknown").id;
    assert_eq!(stores.access_tokens.remove_expired(&unknown, at(100)).await.unwrap(), 0);
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
    let unknown = instance("unknown").id;
    let insertion = stores
        .access_tokens
        .insert(&unknown, digest(1), token_info(), TokenBasis::Operator, u32::MAX, &EVENT)
        .await
        .unwrap();
    assert_eq!(insertion, AccessTokenInsertion::NoSuchInstance);
    let lookup = stores.access_tokens.find(&unknown, &digest(1)).await.unwrap();
    assert_eq!(lookup, AccessTokenLookup::NoSuchInstance);
    assert_eq!(all_tokens(stores, &unknown).await, []);
}
