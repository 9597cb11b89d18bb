//! The use cases, on the reference adapter and a clock that stands still.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use merchant_otp_application::{Error, Grant, NewAccessToken, Refusal, Service};
use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, AccessTokenSerial, Instance, InstanceId, InstanceName,
    Lifetime, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceChange, OtpDeviceDescription,
    OtpDeviceId, OtpKey, Permission, Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::Clock;

struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct Fixture {
    service: Service,
    clock: Arc<ManualClock>,
    shop: InstanceId,
}

async fn fixture() -> Fixture {
    let clock = Arc::new(ManualClock(AtomicU64::new(1_000)));
    let service = Service::new(merchant_otp_storage_memory::open(), clock.clone());
    let shop = instance("shop", "Shop");
    service.add_instance(shop.clone()).await.unwrap();
    Fixture { service, clock, shop: shop.id }
}

fn instance(id: &str, name: &str) -> Instance {
    Instance { id: InstanceId::parse(id).unwrap(), name: InstanceName::parse(name).unwrap() }
}

fn device(description: &str, key: &str, algorithm: OtpAlgorithm, counter: i64) -> OtpDevice {
    OtpDevice::new(
        OtpDeviceId::parse("till").unwrap(),
        OtpDeviceDescription::parse(description).unwrap(),
        OtpKey::from_base32(key).unwrap(),
        algorithm,
        OtpCounter::new(counter).unwrap(),
    )
    .unwrap()
}

impl Fixture {
    async fn token(&self, scope: Scope, lifetime: Lifetime) -> AccessToken {
        let scope = TokenScope { scope, refreshable: false };
        let description = AccessTokenDescription::default();
        let new = NewAccessToken { scope, lifetime, description };
        self.service.issue_access_token(&self.shop, new).await.unwrap().token
    }

    async fn authorize(&self, token: Option<&AccessToken>) -> Result<Grant, Error> {
        self.service.authorize(&self.shop, token, Permission::OtpDevicesWrite).await
    }
}

#[tokio::test]
async fn the_same_details_again_are_a_success_and_others_a_conflict() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    let add = |device| fixture.service.add_otp_device(&grant, device);
    let totp = OtpAlgorithm::TotpWithoutPrice;
    add(device("Till", "MZXW6", totp, 0)).await.unwrap();
    add(device("Till", "mzxw6===", totp, 0)).await.unwrap();
    for different in [
        device("till", "MZXW6", totp, 0),
        device("Till", "MZXW7", OtpAlgorithm::TotpWithPrice, 0),
        device("Till", "NZXW6", totp, 0),
        device("Till", "MZXW6", totp, 1),
    ] {
        assert!(matches!(add(different).await, Err(Error::OtpDeviceConflict)));
    }
}

#[tokio::test]
async fn an_unknown_instance_is_told_before_the_credentials() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let nobody = InstanceId::parse("nobody").unwrap();
    for token in [None, Some(&token)] {
        let grant = fixture.service.authorize(&nobody, token, Permission::OtpDevicesWrite).await;
        assert!(matches!(grant, Err(Error::InstanceUnknown)));
    }
}

#[tokio::test]
async fn credentials_that_are_not_good_are_refused() {
    let fixture = fixture().await;
    let refused = fixture.authorize(None).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Missing))));
    let made_up = AccessToken::parse("secret-token:made-up").unwrap();
    let refused = fixture.authorize(Some(&made_up)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));

    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let other = instance("other", "Other");
    fixture.service.add_instance(other.clone()).await.unwrap();
    let foreign =
        fixture.service.authorize(&other.id, Some(&token), Permission::OtpDevicesWrite).await;
    assert!(matches!(foreign, Err(Error::Unauthorized(Refusal::Unknown))));
}

#[tokio::test]
async fn a_token_is_good_until_its_last_second() {
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
    for scope in Scope::ALL {
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
async fn a_grant_is_good_for_its_permission_alone() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let read =
        fixture.service.authorize(&fixture.shop, Some(&token), Permission::OtpDevicesRead).await;
    let device = device("Till", "MZXW6", OtpAlgorithm::TotpWithoutPrice, 0);
    let refused = fixture.service.add_otp_device(&read.unwrap(), device).await;
    assert!(matches!(refused, Err(Error::PermissionMissing(Permission::OtpDevicesWrite))));
}

#[tokio::test]
async fn a_removed_instance_takes_its_grants_with_it() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    fixture.service.remove_instance(&fixture.shop).await.unwrap();
    let device = device("Till", "MZXW6", OtpAlgorithm::TotpWithoutPrice, 0);
    let added = fixture.service.add_otp_device(&grant, device).await;
    assert!(matches!(added, Err(Error::InstanceUnknown)));
    let removed = fixture.service.remove_instance(&fixture.shop).await;
    assert!(matches!(removed, Err(Error::InstanceUnknown)));
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let listed = fixture.service.list_access_tokens(&fixture.shop).await.unwrap();
    let [only] = &*listed else { panic!("{} tokens", listed.len()) };
    fixture.service.revoke_access_token(&fixture.shop, only.serial).await.unwrap();
    let refused = fixture.authorize(Some(&token)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));
}

#[tokio::test]
async fn revoking_tells_an_unknown_token_from_an_unknown_instance() {
    let fixture = fixture().await;
    let revoke = async |id: &str| {
        let id = InstanceId::parse(id).unwrap();
        fixture.service.revoke_access_token(&id, AccessTokenSerial::new(7).unwrap()).await
    };
    assert!(matches!(revoke("shop").await, Err(Error::AccessTokenUnknown)));
    assert!(matches!(revoke("nobody").await, Err(Error::InstanceUnknown)));
}

#[tokio::test]
async fn an_instance_is_made_once() {
    let fixture = fixture().await;
    fixture.service.add_instance(instance("shop", "Shop")).await.unwrap();
    let renamed = fixture.service.add_instance(instance("shop", "Another")).await;
    assert!(matches!(renamed, Err(Error::InstanceConflict)));
    let reserved = fixture.service.add_instance(instance("default", "Default")).await;
    assert!(matches!(reserved, Err(Error::InstanceReserved)));
}

#[tokio::test]
async fn an_empty_database_gets_an_admin_once() {
    let clock = Arc::new(ManualClock(AtomicU64::new(1_000)));
    let service = Service::new(merchant_otp_storage_memory::open(), clock);
    assert!(service.bootstrap().await.unwrap());
    assert_eq!(service.list_instances().await.unwrap(), [Instance::admin()]);
    assert!(!service.bootstrap().await.unwrap());
    assert!(!fixture().await.service.bootstrap().await.unwrap());

    let admin = InstanceId::admin();
    let issued = service.issue_access_token(&admin, NewAccessToken::for_everything()).await;
    let token = issued.unwrap().token;
    let grant = service.authorize(&admin, Some(&token), Permission::OtpDevicesWrite).await;
    assert!(grant.is_ok());
}

#[tokio::test]
async fn a_device_is_read_with_its_codes_now_or_at_another_time() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let device = device("Till", key, OtpAlgorithm::TotpWithoutPrice, 0);
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    fixture.service.add_otp_device(&grant, device.clone()).await.unwrap();

    let read = fixture.service.authorize(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
    let read = read.await.unwrap();
    let now = fixture.service.otp_device(&read, device.id(), None, None).await.unwrap();
    assert_eq!(now.time.seconds(), 1_000);
    let at = Timestamp::from_seconds(59).unwrap();
    let then = fixture.service.otp_device(&read, device.id(), Some(at), None).await.unwrap();
    assert_eq!(then.time, at);
    assert_eq!(then.codes.unwrap().to_string().lines().nth(2), Some("94287082"));
    assert_eq!(then.device, device);
}

#[tokio::test]
async fn changes_leave_the_rest_as_it_is() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    let device = device("Till", "MY", OtpAlgorithm::None, 0);
    fixture.service.add_otp_device(&grant, device.clone()).await.unwrap();
    let changes = [
        OtpDeviceChange {
            description: Some(OtpDeviceDescription::parse("new").unwrap()),
            ..OtpDeviceChange::default()
        },
        OtpDeviceChange {
            counter: Some(OtpCounter::new(7).unwrap()),
            ..OtpDeviceChange::default()
        },
        OtpDeviceChange {
            algorithm: Some(OtpAlgorithm::TotpWithPrice),
            ..OtpDeviceChange::default()
        },
    ];
    for change in changes {
        fixture.service.change_otp_device(&grant, device.id(), change).await.unwrap();
    }
    let read = fixture.service.authorize(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
    let read = read.await.unwrap();
    let now = fixture.service.otp_device(&read, device.id(), None, None).await.unwrap().device;
    assert_eq!(now.description().as_str(), "new");
    assert_eq!(now.counter().value(), 7);
    assert_eq!(now.algorithm(), OtpAlgorithm::TotpWithPrice);
    assert_eq!(now.key(), device.key());
}

#[tokio::test]
async fn an_unknown_device_is_told() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let write = fixture.authorize(Some(&token)).await.unwrap();
    let read = fixture.service.authorize(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
    let read = read.await.unwrap();
    let id = OtpDeviceId::parse("till").unwrap();
    let found = fixture.service.otp_device(&read, &id, None, None).await.map(|_| ());
    let changed = fixture.service.change_otp_device(&write, &id, OtpDeviceChange::default()).await;
    let removed = fixture.service.remove_otp_device(&write, &id).await;
    for result in [found, changed, removed] {
        assert!(matches!(result, Err(Error::OtpDeviceUnknown)));
    }
    assert_eq!(fixture.service.list_otp_devices(&read, None).await.unwrap(), []);
}
