//! Sealed keys, and the rotation of master keys.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{
    Error, Grant, KeyCheck, MasterKeyUse, Rotation, Service, UnopenedKey,
};
use merchant_otp_domain::{
    Actor, AuditEvent, Instance, InstanceId, MasterKeyId, Operation, OtpAlgorithm, OtpCounter,
    OtpDevice, OtpDeviceChange, OtpDeviceDescription, OtpDeviceId, OtpKey, Outcome, Permission,
    SealedOtpDevice, SealedOtpKey, Timestamp,
};
use merchant_otp_ports::{Clock, Stores};
use merchant_otp_sealing::{Keyring, MasterKey};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(59).unwrap()
    }
}

/// A database and master keys, from which services are created.
struct Fixture {
    stores: Stores,
    master_keys: [MasterKey; 3],
}

impl Fixture {
    fn new() -> Self {
        let master_keys = [(); 3].map(|()| MasterKey::generate().unwrap());
        Self { stores: merchant_otp_storage_memory::open(), master_keys }
    }

    fn id(&self, key: usize) -> MasterKeyId {
        self.master_keys[key].id()
    }

    /// Creates a service that has some of the master keys, the first of which seals.
    fn service(&self, keys: &[usize]) -> Service {
        let copy = |key: &usize| MasterKey::from_base64(&self.master_keys[*key].to_base64());
        let keyring = Keyring::new(keys.iter().map(|key| copy(key).unwrap()).collect()).unwrap();
        Service::new(self.stores.clone(), Arc::new(keyring), Arc::new(StoppedClock))
    }

    /// Returns the stored device of the shop with this id.
    async fn stored(&self, id: &str) -> SealedOtpDevice {
        self.stores.otp_devices.find(&shop(), &device(id).id().clone()).await.unwrap().unwrap()
    }
}

fn shop() -> InstanceId {
    InstanceId::parse("shop").unwrap()
}

fn device(id: &str) -> OtpDevice {
    OtpDevice::new(
        OtpDeviceId::parse(id).unwrap(),
        OtpDeviceDescription::parse("Till").unwrap(),
        OtpKey::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
        OtpAlgorithm::TotpWithoutPrice,
        OtpCounter::default(),
    )
    .unwrap()
}

/// The event of a change that is made directly in the database.
fn event() -> AuditEvent {
    AuditEvent {
        time: Timestamp::EPOCH,
        instance: shop(),
        actor: Actor::Unknown,
        address: None,
        operation: Operation::AddOtpDevice,
        device: None,
        access_token: None,
        outcome: Outcome::Done,
        unrecorded: 0,
    }
}

fn grant(service: &Service, permission: Permission) -> Grant {
    Operator::of(service).grant_unchecked(shop(), permission)
}

async fn add_shop(service: &Service) {
    let instance = Instance { id: shop(), ..Instance::admin() };
    let manage = Operator::of(service).grant_management(Permission::InstancesWrite);
    service.add_instance(&manage, instance, None).await.unwrap();
}

async fn add(service: &Service, id: &str) -> Result<(), Error> {
    service.add_otp_device(&grant(service, Permission::OtpDevicesWrite), device(id)).await
}

/// The number of keys that a rotation read, re-sealed and did not open.
fn counts(rotation: &Rotation) -> (u64, u64, u64) {
    (rotation.checked, rotation.resealed, rotation.not_opened)
}

/// The instances and devices of keys that do not open.
fn devices(keys: &[UnopenedKey]) -> Vec<String> {
    keys.iter().map(|key| format!("{} {}", key.instance, key.device)).collect()
}

async fn code(service: &Service, id: &str) -> Result<String, Error> {
    let read = grant(service, Permission::OtpDevicesRead);
    let found = service.otp_device(&read, device(id).id(), None, None).await?;
    Ok(found.codes.unwrap().to_string().lines().nth(2).unwrap().to_owned())
}

#[tokio::test]
async fn a_store_never_sees_a_key() {
    let fixture = Fixture::new();
    let service = fixture.service(&[0]);
    add_shop(&service).await;
    for id in ["a", "b"] {
        add(&service, id).await.unwrap();
        // The same device is recognised when it is added again, although its key is sealed anew.
        add(&service, id).await.unwrap();
        assert_eq!(code(&service, id).await.unwrap(), "94287082");
    }
    let (a, b) = (fixture.stored("a").await, fixture.stored("b").await);
    // The sealed keys do not reveal that the two devices have the same key.
    assert_ne!(a.key, b.key);
    for stored in [&a, &b] {
        let bytes = stored.key.as_bytes();
        assert!(!bytes.windows(4).any(|window| window == &b"12345678901234567890"[..4]));
    }
}

#[tokio::test]
async fn a_row_that_was_copied_or_changed_does_not_open() {
    let fixture = Fixture::new();
    let service = fixture.service(&[0]);
    add_shop(&service).await;
    add(&service, "a").await.unwrap();
    let a = fixture.stored("a").await;
    let copied = SealedOtpDevice { id: OtpDeviceId::parse("copy").unwrap(), ..a };
    fixture.stores.otp_devices.insert(&shop(), copied, &event()).await.unwrap();
    let change = OtpDeviceChange {
        description: Some(OtpDeviceDescription::parse("new").unwrap()),
        ..OtpDeviceChange::default()
    };
    let write = grant(&service, Permission::OtpDevicesWrite);
    let id = OtpDeviceId::parse("copy").unwrap();
    let results = [
        code(&service, "copy").await.map(|_| ()),
        add(&service, "copy").await,
        service.change_otp_device(&write, &id, change).await,
    ];
    for result in results {
        assert!(matches!(result, Err(Error::KeyNotOpened(_))), "{result:?}");
    }
    // The device can be removed.
    service.remove_otp_device(&write, &id).await.unwrap();
    add(&service, "copy").await.unwrap();
}

#[tokio::test]
async fn wrong_master_keys_are_detected_at_the_start() {
    let fixture = Fixture::new();
    fixture.service(&[0]).check_master_keys().await.unwrap();
    fixture.service(&[0]).check_master_keys().await.unwrap();
    let missing = fixture.service(&[1]).check_master_keys().await;
    assert!(matches!(missing, Err(Error::MasterKeyMissing(id)) if id == fixture.id(0)));
    // A failed start leaves nothing behind.
    assert_eq!(fixture.stores.sealed_keys.check_values().await.unwrap().len(), 1);
    fixture.service(&[1, 0]).check_master_keys().await.unwrap();
    // From here on, either master key may have sealed keys.
    for keys in [[0].as_slice(), &[1], &[2]] {
        let missing = fixture.service(keys).check_master_keys().await;
        assert!(matches!(missing, Err(Error::MasterKeyMissing(_))));
    }
}

#[tokio::test]
async fn a_rotation_re_seals_all_keys_with_the_new_master_key() {
    let fixture = Fixture::new();
    let old = fixture.service(&[0]);
    old.check_master_keys().await.unwrap();
    add_shop(&old).await;
    for number in 0..250 {
        add(&old, &format!("till {number}")).await.unwrap();
    }
    let new = fixture.service(&[1, 0]);
    new.check_master_keys().await.unwrap();
    add(&new, "new").await.unwrap();
    let count = |key, seals, devices| MasterKeyUse {
        id: fixture.id(key),
        is_available: true,
        seals,
        devices,
    };
    let uses = async |service: &Service| {
        let mut uses = service.master_key_uses().await.unwrap();
        uses.sort_by_key(|one| !one.seals);
        uses
    };
    assert_eq!(uses(&new).await, [count(1, true, 1), count(0, false, 250)]);

    let mut reported = Vec::new();
    let rotation = new.rotate_master_key(|rotation| reported.push(rotation.checked)).await.unwrap();
    assert_eq!(counts(&rotation), (251, 250, 0));
    // Three batches that re-seal keys, and three of a second pass that find nothing to do.
    assert_eq!(reported, [100, 200, 251, 100, 200, 251]);
    assert_eq!(uses(&new).await, [count(1, true, 251)]);
    assert_eq!(code(&new, "till 7").await.unwrap(), "94287082");
    add(&new, "till 7").await.unwrap();
    // The old master key is no longer needed, and opens nothing.
    let retired = fixture.service(&[1]);
    retired.check_master_keys().await.unwrap();
    assert_eq!(code(&retired, "till 249").await.unwrap(), "94287082");
    assert!(matches!(code(&old, "till 7").await, Err(Error::KeyNotOpened(_))));
    let again = new.rotate_master_key(|_| {}).await.unwrap();
    assert_eq!(counts(&again), (251, 0, 0));
}

#[tokio::test]
async fn keys_that_do_not_open_are_kept_and_their_master_key_is_required() {
    let fixture = Fixture::new();
    let old = fixture.service(&[0]);
    old.check_master_keys().await.unwrap();
    add_shop(&old).await;
    for id in ["a", "b", "c"] {
        add(&old, id).await.unwrap();
    }
    let a = fixture.stored("a").await;
    let damaged = SealedOtpDevice { key: fixture.stored("c").await.key, ..a.clone() };
    assert!(fixture.stores.otp_devices.replace(&shop(), &a, &damaged, &event()).await.unwrap());

    let new = fixture.service(&[1, 0]);
    new.check_master_keys().await.unwrap();
    let rotation = new.rotate_master_key(|_| {}).await.unwrap();
    assert_eq!(counts(&rotation), (3, 2, 1));
    assert_eq!(devices(&rotation.first_not_opened), ["shop a"]);
    assert_eq!(fixture.stored("a").await, damaged);
    let missing = fixture.service(&[1]).check_master_keys().await;
    assert!(matches!(missing, Err(Error::MasterKeyMissing(_))));
}

/// Of some devices the key was changed, is in the wrong place, or was sealed by a lost master key.
#[tokio::test]
async fn single_keys_that_do_not_open_are_listed_and_do_not_fail_the_start() {
    let fixture = Fixture::new();
    let (service, lost) = (fixture.service(&[0]), fixture.service(&[2]));
    service.check_master_keys().await.unwrap();
    add_shop(&service).await;
    // Normally the first one opens, and no other is read.
    for id in ["a", "b", "c", "d", "e"] {
        add(&service, id).await.unwrap();
    }
    let replace = async |id: &str, key: SealedOtpKey| {
        let before = fixture.stored(id).await;
        let after = SealedOtpDevice { key, ..before.clone() };
        let store = &fixture.stores.otp_devices;
        assert!(store.replace(&shop(), &before, &after, &event()).await.unwrap());
    };
    let mut flipped = fixture.stored("a").await.key.as_bytes().to_vec();
    flipped[0] ^= 1;
    replace("a", SealedOtpKey::new(flipped).unwrap()).await;
    replace("b", fixture.stored("e").await.key).await;
    replace("c", SealedOtpKey::new(vec![7; 8]).unwrap()).await;
    add(&lost, "f").await.unwrap();

    service.check_master_keys().await.unwrap();
    let mut unopened = Vec::new();
    let check = service.check_keys(Duration::ZERO, |key| unopened.push(key)).await.unwrap();
    assert_eq!(check, KeyCheck { checked: 6, not_opened: 4 });
    assert_eq!(devices(&unopened), ["shop a", "shop b", "shop c", "shop f"]);
    for (key, is_missing) in unopened.iter().zip([true, false, true, true]) {
        assert_eq!(matches!(key.error, Error::MasterKeyMissing(_)), is_missing, "{key:?}");
    }
    assert_eq!(code(&service, "d").await.unwrap(), "94287082");
    assert!(matches!(code(&service, "b").await, Err(Error::KeyNotOpened(_))));
    // A rotation looks at the keys that the current master key sealed, too.
    let rotation = service.rotate_master_key(|_| {}).await.unwrap();
    assert_eq!(counts(&rotation), (6, 0, 4));
    assert_eq!(devices(&rotation.first_not_opened), ["shop a", "shop b", "shop c", "shop f"]);

    // A start that opens no key fails.
    let write = grant(&service, Permission::OtpDevicesWrite);
    for id in ["d", "e"] {
        service.remove_otp_device(&write, device(id).id()).await.unwrap();
    }
    assert!(matches!(service.check_master_keys().await, Err(Error::MasterKeyMissing(_))));
    for id in ["a", "b", "c", "f"] {
        service.remove_otp_device(&write, device(id).id()).await.unwrap();
    }
    service.check_master_keys().await.unwrap();
}

#[tokio::test]
async fn a_former_master_key_that_sealed_a_key_is_required_at_the_next_start() {
    let fixture = Fixture::new();
    let late = fixture.service(&[0, 1]);
    late.check_master_keys().await.unwrap();
    add_shop(&late).await;
    let new = fixture.service(&[1, 0]);
    new.check_master_keys().await.unwrap();
    new.rotate_master_key(|_| {}).await.unwrap();
    // A process that was not restarted seals with the old master key, whose check value is gone.
    add(&late, "till").await.unwrap();
    let missing = fixture.service(&[1]).check_master_keys().await;
    assert!(matches!(missing, Err(Error::MasterKeyMissing(id)) if id == fixture.id(0)));
    let rotation = new.rotate_master_key(|_| {}).await.unwrap();
    assert_eq!(rotation.resealed, 1);
    fixture.service(&[1]).check_master_keys().await.unwrap();
}

#[tokio::test]
async fn at_most_one_of_two_first_starts_with_different_master_keys_succeeds() {
    for _ in 0..50 {
        let fixture = Fixture::new();
        let (one, other) = (fixture.service(&[0]), fixture.service(&[1]));
        let (one, other) = tokio::join!(one.check_master_keys(), other.check_master_keys());
        assert!(one.is_err() || other.is_err());
    }
}
