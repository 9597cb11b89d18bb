//! Access tokens and their permissions.

use std::sync::atomic::Ordering;

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{AccessTokenPage, Error, Refusal};
use merchant_otp_domain::{
    AccessTokenSerial, Expiration, InstanceId, Lifetime, OtpAlgorithm, Permission, Scope,
    Timestamp, TokenScope,
};

use crate::{device, fixture, instance, new_token, unknown_token};

#[tokio::test]
async fn an_unknown_instance_is_reported_before_the_credentials() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let unknown = InstanceId::parse("unknown").unwrap();
    for token in [None, Some(&token)] {
        let grant = fixture.authorize_for(&unknown, token, Permission::OtpDevicesWrite).await;
        assert!(matches!(grant, Err(Error::InstanceUnknown)));
    }
}

#[tokio::test]
async fn invalid_credentials_are_refused() {
    let fixture = fixture().await;
    let refused = fixture.authorize(None).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Missing))));
    let made_up = unknown_token();
    let refused = fixture.authorize(Some(&made_up)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));

    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let other = instance("other", "Other");
    fixture.add_instance(other.clone(), None).await.unwrap();
    let foreign = fixture.authorize_for(&other.id, Some(&token), Permission::OtpDevicesWrite).await;
    assert!(matches!(foreign, Err(Error::Unauthorized(Refusal::Unknown))));
}

#[tokio::test]
async fn a_token_is_valid_until_its_last_second() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Seconds(60)).await;
    fixture.clock.0.store(1_059, Ordering::Relaxed);
    assert!(fixture.authorize(Some(&token)).await.is_ok());
    fixture.clock.0.store(1_060, Ordering::Relaxed);
    let refused = fixture.authorize(Some(&token)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Expired))));
}

#[tokio::test]
async fn only_a_scope_with_the_permission_grants_it() {
    let fixture = fixture().await;
    for &scope in Scope::ALL {
        let token = fixture.token(scope, Lifetime::Forever).await;
        let grant = fixture.authorize(Some(&token)).await;
        match scope {
            Scope::All | Scope::Write => {
                assert_eq!(grant.unwrap().instance(), &fixture.shop);
            }
            Scope::ReadOnly
            | Scope::OrderSimple
            | Scope::OrderPos
            | Scope::OrderMgmt
            | Scope::OrderFull => {
                assert!(matches!(
                    grant,
                    Err(Error::PermissionMissing(Permission::OtpDevicesWrite))
                ));
            }
        }
    }
}

#[tokio::test]
async fn a_grant_allows_only_its_permission() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let read = fixture.authorize_for(&fixture.shop, Some(&token), Permission::OtpDevicesRead).await;
    let device = device("Till", "MZXW6", OtpAlgorithm::TotpWithoutPrice, 0);
    let refused = fixture.service.add_otp_device(&read.unwrap(), device).await;
    assert!(matches!(refused, Err(Error::PermissionMissing(Permission::OtpDevicesWrite))));
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let read = fixture.operator(Permission::TokensRead);
    let page = AccessTokenPage::After(0);
    let listed = fixture.service.list_access_tokens(&read, page, 20).await.unwrap();
    let [only] = &*listed else { panic!("{} tokens", listed.len()) };
    let write = fixture.operator(Permission::TokensWrite);
    fixture.service.revoke_access_token(&write, only.serial).await.unwrap();
    let refused = fixture.authorize(Some(&token)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));
    let serial = AccessTokenSerial::new(7).unwrap();
    for serial in [only.serial, serial] {
        let again = fixture.service.revoke_access_token(&write, serial).await;
        assert!(matches!(again, Err(Error::AccessTokenUnknown)));
    }
}

#[tokio::test]
async fn a_log_out_revokes_only_its_token() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::OrderSimple, Lifetime::Forever).await;
    let other = fixture.token(Scope::All, Lifetime::Forever).await;
    fixture.log_out(Some(&token)).await.unwrap();
    let again = fixture.log_out(Some(&token)).await;
    assert!(matches!(again, Err(Error::Unauthorized(Refusal::Unknown))));
    let missing = fixture.log_out(None).await;
    assert!(matches!(missing, Err(Error::Unauthorized(Refusal::Missing))));
    assert!(fixture.authorize(Some(&other)).await.is_ok());
}

#[tokio::test]
async fn a_token_is_refreshed_within_its_scope() {
    let fixture = fixture().await;
    let refreshable = |scope| TokenScope { scope, refreshable: true };
    let token = fixture.token_of(refreshable(Scope::OrderPos), Lifetime::Seconds(60)).await;
    let log_in = fixture.log_in_with_token(&token).await.unwrap();
    for scope in [Scope::OrderPos, Scope::OrderSimple] {
        let new = new_token(refreshable(scope), Some(Lifetime::Forever));
        let issued = fixture.service.issue_access_token(&log_in, new).await.unwrap();
        assert_eq!(issued.scope, refreshable(scope));
    }
    for scope in [Scope::All, Scope::ReadOnly, Scope::OrderFull] {
        let new = new_token(refreshable(scope), None);
        let refused = fixture.service.issue_access_token(&log_in, new).await;
        assert!(matches!(refused, Err(Error::ScopeExceeded)), "{}", scope.name());
    }
    fixture.clock.0.store(1_060, Ordering::Relaxed);
    let expired = fixture.log_in_with_token(&token).await;
    assert!(matches!(expired, Err(Error::Unauthorized(Refusal::Expired))));
    let once = fixture.token(Scope::All, Lifetime::Forever).await;
    let refused = fixture.log_in_with_token(&once).await;
    assert!(matches!(refused, Err(Error::PermissionMissing(Permission::TokenRefresh))));
}

#[tokio::test]
async fn tokens_that_expired_long_ago_are_removed() {
    let fixture = fixture().await;
    let month = 30 * 86_400;
    fixture.token(Scope::All, Lifetime::Seconds(0)).await;
    fixture.token(Scope::All, Lifetime::Seconds(1)).await;
    fixture.clock.0.store(1_001 + month, Ordering::Relaxed);
    fixture.token(Scope::All, Lifetime::Seconds(0)).await;
    let read = fixture.operator(Permission::TokensRead);
    let page = AccessTokenPage::After(0);
    let listed = fixture.service.list_access_tokens(&read, page, 20).await.unwrap();
    assert_eq!(listed.len(), 2);
}

#[tokio::test]
async fn a_token_is_valid_for_a_day_by_default() {
    let fixture = fixture().await;
    let log_in = Operator::of(&fixture.service).log_in(&fixture.shop).await.unwrap();
    let scope = TokenScope { scope: Scope::All, refreshable: false };
    let issued = fixture.service.issue_access_token(&log_in, new_token(scope, None)).await;
    let end = Timestamp::from_seconds(1_000 + 86_400).unwrap();
    assert_eq!(issued.unwrap().expiration, Expiration::At(end));
}
