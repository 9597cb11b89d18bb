//! OTP devices.

use futures_util::future::join_all;
use merchant_otp_application::Error;
use merchant_otp_domain::{
    Lifetime, OtpAlgorithm, OtpCounter, OtpDeviceChange, OtpDeviceDescription, OtpDeviceError,
    OtpDeviceId, Permission, Scope, Timestamp,
};

use crate::{device, fixture};

#[tokio::test]
async fn adding_the_same_details_again_succeeds_and_other_details_conflict() {
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
async fn a_device_is_read_with_its_codes_now_or_at_another_time() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let device = device("Till", key, OtpAlgorithm::TotpWithoutPrice, 0);
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    fixture.service.add_otp_device(&grant, device.clone()).await.unwrap();

    // Another algorithm is refused, and with it the rest of the change.
    let change = OtpDeviceChange {
        counter: Some(OtpCounter::new(8).unwrap()),
        algorithm: Some(OtpAlgorithm::TotpWithPrice),
        ..OtpDeviceChange::default()
    };
    let refused = fixture.service.change_otp_device(&grant, device.id(), change).await;
    assert!(matches!(refused, Err(Error::OtpDeviceInvalid(OtpDeviceError::AlgorithmChange))));
    let read = fixture.authorize_for(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
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
async fn changes_keep_the_other_fields() {
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
        OtpDeviceChange { algorithm: Some(OtpAlgorithm::None), ..OtpDeviceChange::default() },
    ];
    for change in changes {
        fixture.service.change_otp_device(&grant, device.id(), change).await.unwrap();
    }
    // Another algorithm is refused, and with it the rest of the change.
    let change = OtpDeviceChange {
        counter: Some(OtpCounter::new(8).unwrap()),
        algorithm: Some(OtpAlgorithm::TotpWithPrice),
        ..OtpDeviceChange::default()
    };
    let refused = fixture.service.change_otp_device(&grant, device.id(), change).await;
    assert!(matches!(refused, Err(Error::OtpDeviceInvalid(OtpDeviceError::AlgorithmChange))));
    let read = fixture.authorize_for(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
    let read = read.await.unwrap();
    let now = fixture.service.otp_device(&read, device.id(), None, None).await.unwrap().device;
    assert_eq!(now.description().as_str(), "new");
    assert_eq!(now.counter().value(), 7);
    assert_eq!(now.algorithm(), OtpAlgorithm::None);
    assert_eq!(now.key(), device.key());
}

#[tokio::test]
async fn an_unknown_device_is_not_found() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let write = fixture.authorize(Some(&token)).await.unwrap();
    let read = fixture.authorize_for(&fixture.shop, Some(&token), Permission::OtpDevicesRead);
    let read = read.await.unwrap();
    let id = OtpDeviceId::parse("till").unwrap();
    let found = fixture.service.otp_device(&read, &id, None, None).await.map(|_| ());
    let changed = fixture.service.change_otp_device(&write, &id, OtpDeviceChange::default()).await;
    let removed = fixture.service.remove_otp_device(&write, &id).await;
    for result in [found, changed, removed] {
        assert!(matches!(result, Err(Error::OtpDeviceUnknown)));
    }
    let mut pages = fixture.service.otp_devices(read).await.unwrap();
    assert_eq!(pages.next().await.unwrap(), None);
}

/// Many concurrent changes of a device are applied one after another.
#[tokio::test(start_paused = true)]
async fn concurrent_changes_of_a_device_all_succeed() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let grant = fixture.authorize(Some(&token)).await.unwrap();
    let device = device("Till", "MY", OtpAlgorithm::TotpWithoutPrice, 0);
    fixture.service.add_otp_device(&grant, device.clone()).await.unwrap();
    let changes = (0..64).map(|number| {
        let description = OtpDeviceDescription::parse(format!("{number}")).unwrap();
        let change =
            OtpDeviceChange { description: Some(description), ..OtpDeviceChange::default() };
        fixture.service.change_otp_device(&grant, device.id(), change)
    });
    for changed in join_all(changes).await {
        changed.unwrap();
    }
}
