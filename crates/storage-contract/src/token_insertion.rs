//! Cases of when an access token may be stored, also during the removal of all tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use merchant_otp_domain::{
    AccessTokenInfo, AccessTokenSerial, Expiration, InstanceId, Operation, Timestamp,
};
use merchant_otp_ports::{AccessTokenInsertion, TokenBasis};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::audit::events;
use crate::samples::{
    EVENT, all_tokens, digest, event_of, instance, password_hash, stored_instance, stored_token,
    token_info,
};

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
