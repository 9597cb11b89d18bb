//! Instances, and the right to manage them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{
    Error, InstanceChange, ListedInstance, NewAccessToken, Presented, Refusal,
};
use merchant_otp_domain::{
    AccessToken, Instance, InstanceId, Lifetime, OtpAlgorithm, Permission, Scope, TokenScope,
};

use crate::{ManualClock, device, fixture, instance, new_token, presented, service};

#[tokio::test]
async fn grants_of_a_purged_instance_are_refused() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    let operator = fixture.operator(Permission::InstancesWrite);
    fixture.service.purge_instance(&operator).await.unwrap();
    let device = device("Till", "MZXW6", OtpAlgorithm::TotpWithoutPrice, 0);
    let added = fixture.service.add_otp_device(&grant, device).await;
    assert!(matches!(added, Err(Error::InstanceUnknown)));
    let removed = fixture.service.purge_instance(&operator).await;
    assert!(matches!(removed, Err(Error::InstanceUnknown)));
}

#[tokio::test]
async fn an_instance_is_created_once() {
    let fixture = fixture().await;
    fixture.add_instance(instance("shop", "Shop"), None).await.unwrap();
    let renamed = fixture.add_instance(instance("shop", "Another"), None).await;
    assert!(matches!(renamed, Err(Error::InstanceConflict)));
    let with_password = fixture.add_instance(instance("shop", "Shop"), Some("secret")).await;
    assert!(matches!(with_password, Err(Error::InstanceConflict)));
    let reserved = fixture.add_instance(instance("default", "Default"), None).await;
    assert!(matches!(reserved, Err(Error::InstanceReserved)));

    fixture.add_instance(instance("cafe", "Café"), Some("secret")).await.unwrap();
    fixture.add_instance(instance("cafe", "Café"), Some("secret")).await.unwrap();
    fixture.add_instance(instance("cafe", "Café"), None).await.unwrap();
    let other = fixture.add_instance(instance("cafe", "Café"), Some("Secret")).await;
    assert!(matches!(other, Err(Error::InstanceConflict)));
}

#[tokio::test]
async fn a_deleted_instance_is_unusable_until_it_is_purged() {
    let fixture = fixture().await;
    fixture.set_password("right").await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let write = fixture.operator(Permission::InstancesWrite);
    fixture.service.delete_instance(&write).await.unwrap();

    let results = [
        fixture.authorize(Some(&token)).await.map(|_| ()),
        fixture.authorize(None).await.map(|_| ()),
        fixture.log_in("shop", "right", 1).await.map(|_| ()),
        fixture.log_out(Some(&token)).await,
        fixture.service.find_instance(fixture.shop.as_str()).await,
        fixture.service.change_instance(&write, &InstanceChange::default()).await,
        fixture.service.delete_instance(&write).await,
    ];
    for result in results {
        assert!(matches!(result, Err(Error::InstanceDeleted)), "{result:?}");
    }
    let again = fixture.add_instance(instance("shop", "Shop"), None).await;
    assert!(matches!(again, Err(Error::InstancePurgeRequired)));
    let read = Operator::of(&fixture.service).grant_management(Permission::InstancesRead);
    let listed = fixture.service.list_instances(&read).await.unwrap();
    assert!(listed.iter().all(|listed| listed.deleted), "{listed:?}");

    fixture.service.purge_instance(&write).await.unwrap();
    fixture.add_instance(instance("shop", "Shop"), None).await.unwrap();
    let refused = fixture.authorize(Some(&token)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));
}

#[tokio::test]
async fn only_admin_may_manage_instances() {
    let fixture = fixture().await;
    let manage = async |token: &AccessToken, permission| {
        let token = token.expose();
        // The addressed instance does not matter.
        let presented = presented(&fixture.shop, Some(&token));
        fixture.service.authorize_management(presented, permission).await
    };
    let foreign = fixture.token(Scope::All, Lifetime::Forever).await;
    let unknown = manage(&foreign, Permission::InstancesWrite).await;
    assert!(matches!(unknown, Err(Error::InstanceUnknown)));
    fixture.add_instance(Instance::admin(), None).await.unwrap();
    let refused = manage(&foreign, Permission::InstancesWrite).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));

    let log_in = Operator::of(&fixture.service).log_in(&InstanceId::admin()).await.unwrap();
    let new = new_token(TokenScope { scope: Scope::ReadOnly, refreshable: false }, None);
    let readonly = fixture.service.issue_access_token(&log_in, new).await.unwrap().token;
    let read = manage(&readonly, Permission::InstancesRead).await.unwrap();
    assert_eq!(fixture.service.list_instances(&read).await.unwrap().len(), 2);
    let text = readonly.expose();
    let presented = |instance| Presented { instance, token: Some(&text), address: None };
    let read_one = async |instance| {
        fixture.service.authorize_manager(presented(instance), Permission::InstancesRead).await
    };
    let shop = fixture.service.instance(&read_one("shop").await.unwrap()).await.unwrap();
    assert_eq!(shop, instance("shop", "Shop"));
    // The instance need not exist, but its id must be valid.
    assert_eq!(read_one("unknown").await.unwrap().instance().as_str(), "unknown");
    assert!(matches!(read_one("no id").await, Err(Error::InstanceUnknown)));
    let refused = manage(&readonly, Permission::InstancesWrite).await;
    assert!(matches!(refused, Err(Error::PermissionMissing(Permission::InstancesWrite))));
    let refused = fixture.service.add_instance(&read, instance("new", "New"), None).await;
    assert!(matches!(refused, Err(Error::PermissionMissing(Permission::InstancesWrite))));
}

#[tokio::test]
async fn an_empty_database_gets_an_admin_once() {
    let clock = Arc::new(ManualClock(AtomicU64::new(1_000)));
    let service = service(clock);
    assert!(service.bootstrap().await.unwrap());
    let read = Operator::of(&service).grant_management(Permission::InstancesRead);
    let listed = service.list_instances(&read).await.unwrap();
    assert_eq!(listed, [ListedInstance { instance: Instance::admin(), deleted: false }]);
    assert!(!service.bootstrap().await.unwrap());
    assert!(!fixture().await.service.bootstrap().await.unwrap());

    let admin = InstanceId::admin();
    let log_in = Operator::of(&service).log_in(&admin).await.unwrap();
    let issued = service.issue_access_token(&log_in, NewAccessToken::for_everything()).await;
    let token = issued.unwrap().token;
    let token = token.expose();
    let presented = presented(&admin, Some(&token));
    let grant = service.authorize(presented, Permission::OtpDevicesWrite).await;
    assert!(grant.is_ok());
}
