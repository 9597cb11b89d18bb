//! The use cases, on the reference adapter and a manual clock.
#![expect(clippy::unwrap_used, reason = "tests")]

mod access_tokens;
mod audit;
mod instances;
mod log_in;
mod otp_device_pages;
mod otp_devices;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{
    Error, Grant, LogIn, ManagementGrant, NewAccessToken, PasswordChange, Presented, Service,
};
use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, Instance, InstanceId, InstanceName, InstanceSettings,
    Lifetime, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey,
    Password, Permission, Scope, Timestamp, TokenScope,
};

use merchant_otp_ports::Clock;
use merchant_otp_sealing::{Keyring, MasterKey};
use zeroize::Zeroizing;

struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct Fixture {
    service: Arc<Service>,
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
    Fixture { service: Arc::new(service), clock, shop: shop.id }
}

/// What a client with an unknown address presents.
fn presented<'a>(instance: &'a InstanceId, token: Option<&'a str>) -> Presented<'a> {
    Presented { instance: instance.as_str(), token, address: None }
}

fn manage(service: &Service) -> ManagementGrant {
    Operator::of(service).grant_management(Permission::InstancesWrite)
}

fn instance(id: &str, name: &str) -> Instance {
    Instance {
        id: InstanceId::parse(id).unwrap(),
        name: InstanceName::parse(name).unwrap(),
        settings: InstanceSettings::default(),
    }
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
        let log_in = Operator::of(&self.service).log_in(&self.shop).await.unwrap();
        let new = new_token(scope, Some(lifetime));
        self.service.issue_access_token(&log_in, new).await.unwrap().token
    }

    async fn authorize(&self, token: Option<&AccessToken>) -> Result<Grant, Error> {
        self.authorize_for(&self.shop, token, Permission::OtpDevicesWrite).await
    }

    async fn authorize_for(
        &self,
        instance: &InstanceId,
        token: Option<&AccessToken>,
        permission: Permission,
    ) -> Result<Grant, Error> {
        let token = token.map(AccessToken::expose);
        let presented = presented(instance, token.as_ref().map(|text| text.as_str()));
        self.service.authorize(presented, permission).await
    }

    async fn log_out(&self, token: Option<&AccessToken>) -> Result<(), Error> {
        let token = token.map(AccessToken::expose);
        let presented = presented(&self.shop, token.as_ref().map(|text| text.as_str()));
        self.service.log_out(presented).await
    }

    async fn log_in_with_token(&self, token: &AccessToken) -> Result<LogIn, Error> {
        let token = token.expose();
        self.service.log_in_with_token(presented(&self.shop, Some(&token))).await
    }

    /// Grants the operator a permission on the shop.
    fn operator(&self, permission: Permission) -> Grant {
        Operator::of(&self.service).grant_unchecked(self.shop.clone(), permission)
    }

    async fn add_instance(&self, instance: Instance, password: Option<&str>) -> Result<(), Error> {
        let password = password.map(|text| Password::parse(text).unwrap());
        self.service.add_instance(&manage(&self.service), instance, password).await
    }

    async fn set_password(&self, password: &str) {
        let grant = self.operator(Permission::InstancesAuthWrite);
        let change = PasswordChange::to(Password::parse(password).unwrap());
        self.service.set_password(&grant, change).await.unwrap();
    }

    /// Logs in from an address. Returns the scope of the token.
    async fn log_in(&self, user: &str, password: &str, host: u8) -> Result<TokenScope, Error> {
        let password = Password::parse(password).unwrap();
        let address = Some([192, 0, 2, host].into());
        let presented = Presented { address, ..presented(&self.shop, None) };
        let log_in = self.service.log_in_with_password(presented, user, password).await?;
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

/// A token in the form of those that the service issues, which it did not issue.
fn unknown_token() -> AccessToken {
    AccessToken::from_random(&Zeroizing::new([7; 32]))
}
