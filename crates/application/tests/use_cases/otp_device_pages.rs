//! The list of OTP devices, page by page.

use std::time::Duration;

use merchant_otp_application::{Error, Grant, OtpDevicePages, Refusal};
use merchant_otp_domain::{
    Lifetime, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey,
    Permission, Scope,
};
use tokio::time::advance;

use crate::{Fixture, fixture};

/// More devices than fit into a page. Ten descriptions have the maximum length, the others 100
/// bytes.
const DEVICES: usize = 1500;

async fn add_devices(fixture: &Fixture) -> Vec<OtpDevice> {
    let grant = fixture.operator(Permission::OtpDevicesWrite);
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        let is_long = number < 100 && number.is_multiple_of(10);
        let length = if is_long { OtpDeviceDescription::MAX_BYTES } else { 100 };
        let device = OtpDevice::new(
            OtpDeviceId::parse(format!("{number:04}")).unwrap(),
            OtpDeviceDescription::parse("d".repeat(length)).unwrap(),
            OtpKey::from_base32("MY").unwrap(),
            OtpAlgorithm::TotpWithoutPrice,
            OtpCounter::default(),
        );
        let device = device.unwrap();
        fixture.service.add_otp_device(&grant, device.clone()).await.unwrap();
        devices.push(device);
    }
    devices
}

/// The pages of a client, and the right to revoke its token.
async fn pages(fixture: &Fixture) -> (OtpDevicePages, Grant) {
    let token = fixture.token(Scope::All, Lifetime::Seconds(3600)).await;
    let read = fixture.authorize_for(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
    let revoke = fixture.authorize_for(&fixture.shop, Some(&token), Permission::TokensWrite);
    let pages = fixture.service.otp_devices(read.await.unwrap()).await.unwrap();
    (pages, revoke.await.unwrap())
}

#[tokio::test]
async fn the_pages_have_every_device_and_a_bounded_size() {
    let fixture = fixture().await;
    let devices = add_devices(&fixture).await;
    let (mut pages, _) = pages(&fixture).await;
    let (mut listed, mut sizes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await.unwrap() {
        let bytes = page.iter().map(|one| one.id.as_str().len() + one.description.as_str().len());
        assert!(bytes.sum::<usize>() <= 256 * 1024);
        sizes.push(page.len());
        listed.extend(page);
    }
    assert!(listed.iter().map(|one| &one.id).eq(devices.iter().map(OtpDevice::id)));
    assert!(sizes.contains(&1000) && sizes[0] < 1000, "{sizes:?}");
    // After the end, `next` keeps returning `None`.
    assert!(pages.next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_list_fails_when_the_token_is_revoked() {
    let fixture = fixture().await;
    add_devices(&fixture).await;
    let (mut pages, revoke) = pages(&fixture).await;
    assert!(pages.next().await.unwrap().is_some());
    let serial = merchant_otp_domain::AccessTokenSerial::new(1).unwrap();
    fixture.service.revoke_access_token(&revoke, serial).await.unwrap();
    // The right was looked up less than a second ago, and is not looked up again.
    advance(Duration::from_millis(900)).await;
    assert!(pages.next().await.unwrap().is_some());
    advance(Duration::from_millis(200)).await;
    let error = pages.next().await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(Refusal::Unknown)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_list_fails_when_the_instance_is_purged() {
    let fixture = fixture().await;
    add_devices(&fixture).await;
    let (mut pages, _) = pages(&fixture).await;
    assert!(pages.next().await.unwrap().is_some());
    let purge = fixture.operator(Permission::InstancesWrite);
    fixture.service.purge_instance(&purge).await.unwrap();
    advance(Duration::from_secs(2)).await;
    assert!(matches!(pages.next().await, Err(Error::InstanceUnknown)));
}

#[tokio::test(start_paused = true)]
async fn a_list_continues_while_the_token_is_valid() {
    let fixture = fixture().await;
    add_devices(&fixture).await;
    let (mut pages, _) = pages(&fixture).await;
    let mut listed = 0;
    while let Some(page) = pages.next().await.unwrap() {
        listed += page.len();
        advance(Duration::from_secs(2)).await;
    }
    assert_eq!(listed, DEVICES);
    // A right of the operator has no token to look up again.
    let read = fixture.operator(Permission::OtpDevicesRead);
    let mut pages = fixture.service.otp_devices(read).await.unwrap();
    advance(Duration::from_secs(2)).await;
    assert!(pages.next().await.unwrap().is_some());
    let wrong = fixture.operator(Permission::OtpDevicesWrite);
    let refused = fixture.service.otp_devices(wrong).await.err().unwrap();
    assert!(matches!(refused, Error::PermissionMissing(_)));
}
