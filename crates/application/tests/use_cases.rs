//! The use cases, on the reference adapter and a clock that stands still.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use merchant_otp_application::{
    AccessTokenPage, Error, Grant, ListedInstance, ManagementGrant, NewAccessToken, Refusal,
    Service,
};
use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, AccessTokenSerial, Expiration, Instance, InstanceId,
    InstanceName, Lifetime, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceChange,
    OtpDeviceDescription, OtpDeviceId, OtpKey, Password, Permission, Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::Clock;
use merchant_otp_sealing::{Keyring, MasterKey};

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

fn service(clock: Arc<ManualClock>) -> Service {
    let keyring = Keyring::new(vec![MasterKey::generate().unwrap()]).unwrap();
    Service::new(merchant_otp_storage_memory::open(), Arc::new(keyring), clock)
}

async fn fixture() -> Fixture {
    let clock = Arc::new(ManualClock(AtomicU64::new(1_000)));
    let service = service(clock.clone());
    let shop = instance("shop", "Shop");
    service.add_instance(&manage(&service), shop.clone(), None).await.unwrap();
    Fixture { service, clock, shop: shop.id }
}

fn manage(service: &Service) -> ManagementGrant {
    service.trust_operator_to_manage(Permission::InstancesWrite)
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
        self.token_of(TokenScope { scope, refreshable: false }, lifetime).await
    }

    async fn token_of(&self, scope: TokenScope, lifetime: Lifetime) -> AccessToken {
        let log_in = self.service.log_in_operator(&self.shop).await.unwrap();
        let new = new_token(scope, Some(lifetime));
        self.service.issue_access_token(&log_in, new).await.unwrap().token
    }

    async fn authorize(&self, token: Option<&AccessToken>) -> Result<Grant, Error> {
        self.service.authorize(&self.shop, token, Permission::OtpDevicesWrite).await
    }

    /// A right of the operator on the shop.
    fn operator(&self, permission: Permission) -> Grant {
        self.service.trust_operator_to_manage(permission).on(self.shop.clone())
    }

    async fn add_instance(&self, instance: Instance, password: Option<&str>) -> Result<(), Error> {
        let password = password.map(|text| Password::parse(text).unwrap());
        self.service.add_instance(&manage(&self.service), instance, password).await
    }

    async fn set_password(&self, password: &str) {
        let grant = self.operator(Permission::InstancesAuthWrite);
        self.service.set_password(&grant, Password::parse(password).unwrap()).await.unwrap();
    }

    /// Logs in from an address; answers the token's scope.
    async fn log_in(&self, user: &str, password: &str, host: u8) -> Result<TokenScope, Error> {
        let password = Password::parse(password).unwrap();
        let address = Some([192, 0, 2, host].into());
        let log_in = self.service.log_in_with_password(&self.shop, user, password, address).await?;
        let scope = TokenScope { scope: Scope::All, refreshable: true };
        let issued = self.service.issue_access_token(&log_in, new_token(scope, None)).await?;
        let grant = self.authorize(Some(&issued.token)).await;
        assert_eq!(grant.unwrap().instance(), &self.shop);
        Ok(issued.scope)
    }
}

fn new_token(scope: TokenScope, lifetime: Option<Lifetime>) -> NewAccessToken {
    NewAccessToken { scope, lifetime, description: AccessTokenDescription::default() }
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
    fixture.add_instance(other.clone(), None).await.unwrap();
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
    let operator = fixture.operator(Permission::InstancesWrite);
    fixture.service.purge_instance(&operator).await.unwrap();
    let device = device("Till", "MZXW6", OtpAlgorithm::TotpWithoutPrice, 0);
    let added = fixture.service.add_otp_device(&grant, device).await;
    assert!(matches!(added, Err(Error::InstanceUnknown)));
    let removed = fixture.service.purge_instance(&operator).await;
    assert!(matches!(removed, Err(Error::InstanceUnknown)));
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
async fn who_logs_out_is_out_and_others_stay() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::OrderSimple, Lifetime::Forever).await;
    let other = fixture.token(Scope::All, Lifetime::Forever).await;
    fixture.service.log_out(&fixture.shop, Some(&token)).await.unwrap();
    let again = fixture.service.log_out(&fixture.shop, Some(&token)).await;
    assert!(matches!(again, Err(Error::Unauthorized(Refusal::Unknown))));
    let missing = fixture.service.log_out(&fixture.shop, None).await;
    assert!(matches!(missing, Err(Error::Unauthorized(Refusal::Missing))));
    assert!(fixture.authorize(Some(&other)).await.is_ok());
}

#[tokio::test]
async fn the_password_of_the_instance_logs_in() {
    let fixture = fixture().await;
    fixture.set_password("old").await;
    fixture.set_password("new").await;
    let scope = fixture.log_in("shop", "new", 1).await.unwrap();
    assert_eq!(scope, TokenScope { scope: Scope::All, refreshable: true });
    for (user, password) in [("shop", "old"), ("shop", "new "), ("Shop", "new"), ("", "new")] {
        let refused = fixture.log_in(user, password, 1).await;
        assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Password))), "{user}");
    }
}

#[tokio::test]
async fn an_instance_without_a_password_refuses_as_one_with_it() {
    let fixture = fixture().await;
    let refused = fixture.log_in("shop", "password", 1).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Password))));
}

#[tokio::test]
async fn failed_log_ins_are_slowed_and_good_ones_are_not() {
    let fixture = fixture().await;
    fixture.set_password("right").await;
    for _ in 0..9 {
        let refused = fixture.log_in("shop", "wrong", 1).await;
        assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Password))));
    }
    for _ in 0..12 {
        fixture.log_in("shop", "right", 1).await.unwrap();
    }
    assert!(matches!(fixture.log_in("shop", "wrong", 1).await, Err(Error::Unauthorized(_))));
    // The right one too: a guess must not be told from others.
    for password in ["wrong", "right"] {
        let refused = fixture.log_in("shop", password, 1).await;
        assert!(matches!(refused, Err(Error::TooManyLogIns { .. })));
    }
    fixture.log_in("shop", "right", 2).await.unwrap();
}

#[tokio::test]
async fn a_token_is_refreshed_within_its_scope() {
    let fixture = fixture().await;
    let refreshable = |scope| TokenScope { scope, refreshable: true };
    let token = fixture.token_of(refreshable(Scope::OrderPos), Lifetime::Seconds(60)).await;
    let log_in = fixture.service.log_in_with_token(&fixture.shop, &token).await.unwrap();
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
    let expired = fixture.service.log_in_with_token(&fixture.shop, &token).await;
    assert!(matches!(expired, Err(Error::Unauthorized(Refusal::Expired))));
    let once = fixture.token(Scope::All, Lifetime::Forever).await;
    let refused = fixture.service.log_in_with_token(&fixture.shop, &once).await;
    assert!(matches!(refused, Err(Error::PermissionMissing(Permission::TokenRefresh))));
}

#[tokio::test]
async fn tokens_that_expired_long_ago_are_forgotten() {
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
async fn a_token_lives_a_day_if_nothing_else_is_said() {
    let fixture = fixture().await;
    let log_in = fixture.service.log_in_operator(&fixture.shop).await.unwrap();
    let scope = TokenScope { scope: Scope::All, refreshable: false };
    let issued = fixture.service.issue_access_token(&log_in, new_token(scope, None)).await;
    let end = Timestamp::from_seconds(1_000 + 86_400).unwrap();
    assert_eq!(issued.unwrap().expiration, Expiration::At(end));
}

#[tokio::test]
async fn an_instance_is_made_once() {
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
async fn a_deleted_instance_is_of_no_use_until_it_is_purged() {
    let fixture = fixture().await;
    fixture.set_password("right").await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let write = fixture.operator(Permission::InstancesWrite);
    fixture.service.delete_instance(&write).await.unwrap();

    let results = [
        fixture.authorize(Some(&token)).await.map(|_| ()),
        fixture.authorize(None).await.map(|_| ()),
        fixture.log_in("shop", "right", 1).await.map(|_| ()),
        fixture.service.log_out(&fixture.shop, Some(&token)).await,
        fixture.service.find_instance(&fixture.shop).await,
        fixture.service.rename_instance(&write, &InstanceName::parse("x").unwrap()).await,
        fixture.service.delete_instance(&write).await,
    ];
    for result in results {
        assert!(matches!(result, Err(Error::InstanceDeleted)), "{result:?}");
    }
    let again = fixture.add_instance(instance("shop", "Shop"), None).await;
    assert!(matches!(again, Err(Error::InstancePurgeRequired)));
    let read = fixture.service.trust_operator_to_manage(Permission::InstancesRead);
    let listed = fixture.service.list_instances(&read).await.unwrap();
    assert!(listed.iter().all(|listed| listed.deleted), "{listed:?}");

    fixture.service.purge_instance(&write).await.unwrap();
    fixture.add_instance(instance("shop", "Shop"), None).await.unwrap();
    let refused = fixture.authorize(Some(&token)).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));
}

#[tokio::test]
async fn a_right_to_manage_is_that_of_admin() {
    let fixture = fixture().await;
    let manage = async |token: &AccessToken, permission| {
        fixture.service.authorize_management(Some(token), permission).await
    };
    let foreign = fixture.token(Scope::All, Lifetime::Forever).await;
    let unknown = manage(&foreign, Permission::InstancesWrite).await;
    assert!(matches!(unknown, Err(Error::InstanceUnknown)));
    fixture.add_instance(Instance::admin(), None).await.unwrap();
    let refused = manage(&foreign, Permission::InstancesWrite).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Unknown))));

    let log_in = fixture.service.log_in_operator(&InstanceId::admin()).await.unwrap();
    let new = new_token(TokenScope { scope: Scope::ReadOnly, refreshable: false }, None);
    let readonly = fixture.service.issue_access_token(&log_in, new).await.unwrap().token;
    let read = manage(&readonly, Permission::InstancesRead).await.unwrap();
    assert_eq!(fixture.service.list_instances(&read).await.unwrap().len(), 2);
    let shop = fixture.service.instance(&read.on(fixture.shop.clone())).await.unwrap();
    assert_eq!(shop, instance("shop", "Shop"));
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
    let read = service.trust_operator_to_manage(Permission::InstancesRead);
    let listed = service.list_instances(&read).await.unwrap();
    assert_eq!(listed, [ListedInstance { instance: Instance::admin(), deleted: false }]);
    assert!(!service.bootstrap().await.unwrap());
    assert!(!fixture().await.service.bootstrap().await.unwrap());

    let admin = InstanceId::admin();
    let log_in = service.log_in_operator(&admin).await.unwrap();
    let issued = service.issue_access_token(&log_in, NewAccessToken::for_everything()).await;
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
