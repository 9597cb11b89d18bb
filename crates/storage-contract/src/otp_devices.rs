//! Cases of the OTP-device store.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_domain::{
    AccessTokenSerial, Actor, AuditEvent, InstanceId, Operation, OtpAlgorithm, OtpCounter,
    OtpDeviceDescription, OtpDeviceId, OtpDeviceSummary, Permission, Scope, SealedOtpDevice,
    SealedOtpKey, Timestamp, TokenScope,
};
use merchant_otp_ports::{AuditPosition, OtpDeviceInsertion, Stores};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::samples::{
    EVENT, device, device_with_key, event_of, instance, sealed_key, stored_instance,
};

async fn insert(
    stores: &Stores,
    instance: &InstanceId,
    device: &SealedOtpDevice,
) -> OtpDeviceInsertion {
    stores.otp_devices.insert(instance, device.clone(), &EVENT).await.unwrap()
}

/// Returns the device with an id, which must exist.
async fn stored(stores: &Stores, instance: &InstanceId, id: &str) -> SealedOtpDevice {
    find(stores, instance, id).await.unwrap()
}

async fn find(stores: &Stores, instance: &InstanceId, id: &str) -> Option<SealedOtpDevice> {
    stores.otp_devices.find(instance, &OtpDeviceId::parse(id).unwrap()).await.unwrap()
}

/// A second insertion of an id returns the first device and changes nothing.
pub async fn a_device_is_stored_once(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let first = device("till", "first");
    assert_eq!(insert(stores, &shop, &first).await, OtpDeviceInsertion::Stored);
    for again in [&first, &device("till", "second")] {
        let insertion = insert(stores, &shop, again).await;
        assert_eq!(insertion, OtpDeviceInsertion::Exists(first.clone()));
    }
}

/// Sealed keys of any length and with any bytes are returned unchanged.
pub async fn keys_come_back_bit_for_bit(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
    let keys = [&bytes[..8], &bytes[..68], &bytes[..512], &bytes[200..270], &[0; 512]];
    for (number, key) in keys.into_iter().enumerate() {
        let id = format!("till {number}");
        let device = device_with_key(&id, "", SealedOtpKey::new(key.to_vec()).unwrap());
        assert_eq!(insert(stores, &shop, &device).await, OtpDeviceInsertion::Stored);
        assert_eq!(stored(stores, &shop, &id).await.key.as_bytes(), key);
    }
}

/// Descriptions, algorithms and counters are returned unchanged, including values at their limits.
pub async fn every_detail_comes_back(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let descriptions = ["", "Käse\n\t\"1\" '2' \\ ; -- 🧀\u{1}", &"d".repeat(64 * 1024)];
    for (description, algorithm) in descriptions.into_iter().zip(OtpAlgorithm::ALL.iter().copied())
    {
        for counter in [0, 1, i64::MAX] {
            let id = format!("{} {counter}", algorithm.name());
            let counter = OtpCounter::new(counter).unwrap();
            let device = SealedOtpDevice { algorithm, counter, ..device(&id, description) };
            assert_eq!(insert(stores, &shop, &device).await, OtpDeviceInsertion::Stored);
            assert_eq!(stored(stores, &shop, &id).await, device);
        }
    }
}

/// Ids that differ only in case, accents, normalization or blanks are different ids.
pub async fn ids_are_compared_byte_for_byte(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let longest = "i".repeat(255);
    let ids = [
        "till",
        "Till",
        "TILL",
        "till ",
        " till",
        "tíll",
        "caf\u{e9}",
        "cafe\u{301}",
        "straße",
        "strasse",
        "%",
        "_",
        "t_ll",
        "ti%",
        "'",
        "\"",
        "\\",
        "'; drop table otp_devices; --",
        "🧀",
        &longest,
    ];
    for id in ids {
        assert_eq!(insert(stores, &shop, &device(id, id)).await, OtpDeviceInsertion::Stored);
    }
    for id in ids {
        assert_eq!(stored(stores, &shop, id).await, device(id, id));
    }
}

/// The same id in two instances denotes two devices.
pub async fn instances_do_not_see_each_others_devices(fixture: &Fixture) {
    let stores = &fixture.stores();
    let [one, other] = ["one", "other"].map(|id| stored_instance(stores, id));
    let (one, other) = (one.await, other.await);
    let (ours, theirs) = (device("till", "ours"), device("till", "theirs"));
    assert_eq!(insert(stores, &one, &ours).await, OtpDeviceInsertion::Stored);
    assert_eq!(insert(stores, &other, &theirs).await, OtpDeviceInsertion::Stored);
    assert_eq!(stored(stores, &one, "till").await, ours);
    assert_eq!(stored(stores, &other, "till").await, theirs);
}

/// A device is stored only if its instance exists; the instance's id is compared byte for byte.
pub async fn an_unknown_instance_takes_no_devices(fixture: &Fixture) {
    let stores = &fixture.stores();
    stored_instance(stores, "shop").await;
    for id in ["unknown", "Shop"] {
        let insertion = insert(stores, &instance(id).id, &device("till", "")).await;
        assert_eq!(insertion, OtpDeviceInsertion::NoSuchInstance);
    }
}

/// Of concurrent insertions of one id, one stores its device and the others return that device.
pub async fn exactly_one_of_concurrent_devices_wins(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let (store, shop) = (Arc::clone(&stores.otp_devices), shop.clone());
        let candidate = device("till", &format!("candidate {number}"));
        tasks.spawn(async move {
            (candidate.clone(), store.insert(&shop, candidate, &EVENT).await.unwrap())
        });
    }
    let (mut winners, mut seen) = (Vec::new(), Vec::new());
    for (candidate, insertion) in tasks.join_all().await {
        match insertion {
            OtpDeviceInsertion::Stored => winners.push(candidate),
            OtpDeviceInsertion::Exists(existing) => seen.push(existing),
            OtpDeviceInsertion::NoSuchInstance => panic!("the instance is there"),
        }
    }
    let [winner] = &*winners else { panic!("{} insertions won", winners.len()) };
    assert!(seen.iter().all(|existing| existing == winner));
}

/// Concurrent insertions of different ids do not interfere with each other.
pub async fn concurrent_devices_of_different_ids_are_all_stored(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let (store, shop) = (Arc::clone(&stores.otp_devices), shop.clone());
        let device = device(&format!("till {number}"), "");
        tasks.spawn(async move { store.insert(&shop, device, &EVENT).await.unwrap() });
    }
    let insertions = tasks.join_all().await;
    assert_eq!(insertions, vec![OtpDeviceInsertion::Stored; 64]);
}

/// Concurrently stored devices keep their details and events; concurrent look-ups each get their
/// own result.
pub async fn concurrent_insertions_store_their_own_devices(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shops = [stored_instance(stores, "one").await, stored_instance(stores, "two").await];
    let scope = TokenScope { scope: Scope::OrderPos, refreshable: true };
    let (mut insertions, mut lookups, mut expected) = (JoinSet::new(), JoinSet::new(), Vec::new());
    for number in 0..64_u8 {
        let shop = shops[usize::from(number % 2)].clone();
        let device = SealedOtpDevice {
            algorithm: OtpAlgorithm::ALL[usize::from(number % 3)],
            counter: OtpCounter::new(number.into()).unwrap(),
            ..device_with_key(&format!("till {}", number / 2), "", sealed_key(1, number))
        };
        let actors = [
            Actor::Operator,
            Actor::Token { serial: AccessTokenSerial::new(i64::from(number) + 1).unwrap(), scope },
        ];
        let event = AuditEvent {
            time: Timestamp::from_seconds(number.into()).unwrap(),
            actor: actors[usize::from(number / 2 % 2)],
            address: (number % 3 == 0).then(|| [192, 0, 2, number].into()),
            device: Some(device.id.clone()),
            ..event_of(shop.as_str(), Operation::Use(Permission::OtpDevicesWrite))
        };
        expected.push((shop.clone(), Some(device.clone()), event.clone()));
        let store = Arc::clone(&stores.otp_devices);
        insertions.spawn(async move { store.insert(&shop, device, &event).await.unwrap() });
    }
    assert_eq!(insertions.join_all().await, vec![OtpDeviceInsertion::Stored; 64]);

    let nowhere = (instance("nowhere").id, None, EVENT.clone());
    for (shop, device, event) in expected.iter().cloned().chain([nowhere]) {
        let id =
            device.as_ref().map_or(OtpDeviceId::parse("till 1").unwrap(), |one| one.id.clone());
        let store = Arc::clone(&stores.otp_devices);
        lookups.spawn(async move {
            assert_eq!(store.find(&shop, &id).await.unwrap(), device, "{event:?}");
        });
    }
    lookups.join_all().await;

    for shop in &shops {
        let start = AuditPosition { time: Timestamp::EPOCH, serial: 0 };
        let trail = stores.audit.list(shop, start, u16::MAX).await.unwrap();
        let events: Vec<_> = trail.into_iter().map(|stored| stored.event).collect();
        let of_shop = expected.iter().filter(|(instance, ..)| instance == shop);
        let mut expected: Vec<_> = of_shop.map(|(.., event)| event.clone()).collect();
        expected.sort_by_key(|event| event.time.seconds());
        assert_eq!(events, expected);
    }
}

/// A caller that is dropped at any moment leaves a complete device or none, and a working store.
pub async fn a_dropped_caller_leaves_all_or_nothing(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    for number in 0..100_u64 {
        let device = device(&format!("till {number}"), "original");
        let patience = Duration::from_micros(number * 37);
        let insertion = stores.otp_devices.insert(&shop, device, &EVENT);
        let _given_up = tokio::time::timeout(patience, insertion).await;
    }
    for number in 0..100 {
        let id = format!("till {number}");
        match insert(stores, &shop, &device(&id, "again")).await {
            OtpDeviceInsertion::Stored => {}
            OtpDeviceInsertion::Exists(existing) => assert_eq!(existing, device(&id, "original")),
            OtpDeviceInsertion::NoSuchInstance => panic!("the instance is there"),
        }
    }
}

/// A device that does not exist is not found, replaced or removed.
pub async fn an_unknown_device_is_not_found(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    assert_eq!(insert(stores, &shop, &device("till", "")).await, OtpDeviceInsertion::Stored);
    for (instance, id) in [(&shop, "Till"), (&shop, "ti_l"), (&instance("unknown").id, "till")] {
        assert_eq!(find(stores, instance, id).await, None);
        let unknown = device(id, "");
        assert!(!stores.otp_devices.replace(instance, &unknown, &unknown, &EVENT).await.unwrap());
        assert!(!stores.otp_devices.remove(instance, &unknown.id, &EVENT).await.unwrap());
    }
    assert_eq!(stored(stores, &shop, "till").await, device("till", ""));
}

/// Devices are listed page by page in byte order of their ids, regardless of the database's locale.
pub async fn devices_are_listed_in_the_order_of_their_bytes(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    let mut ids =
        ["b", "a", "B", "_", "aa", "a-a", "a a", "Z", "é", "e\u{301}", "🧀", "z", "\u{ffff}", "1"];
    for id in ids {
        assert_eq!(insert(stores, &shop, &device(id, id)).await, OtpDeviceInsertion::Stored);
    }
    assert_eq!(insert(stores, &other, &device("o", "")).await, OtpDeviceInsertion::Stored);
    ids.sort_unstable_by_key(|id| id.as_bytes());
    for limit in [1, 3, 100] {
        let mut listed = Vec::new();
        loop {
            let after = listed.last().map(|summary: &OtpDeviceSummary| &summary.id);
            let page = stores.otp_devices.list(&shop, after, limit, u32::MAX).await.unwrap();
            assert!(page.len() <= usize::from(limit));
            if page.is_empty() {
                break;
            }
            listed.extend(page);
            assert!(listed.len() <= ids.len(), "{listed:?}");
        }
        let found: Vec<_> = listed.iter().map(|summary| summary.id.as_str()).collect();
        assert_eq!(found, ids);
        assert!(listed.iter().all(|summary| summary.description.as_str() == summary.id.as_str()));
    }
    let gone = OtpDeviceId::parse("ab").unwrap();
    let page = stores.otp_devices.list(&shop, Some(&gone), 1, u32::MAX).await.unwrap();
    assert_eq!(page[0].id.as_str(), "b");
    let unknown = instance("unknown").id;
    assert_eq!(stores.otp_devices.list(&unknown, None, 9, u32::MAX).await.unwrap(), []);
}

/// A page contains the devices that fit into its size in bytes, and at least one.
pub async fn a_page_of_devices_has_a_size_in_bytes(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    // 10, 8 and 4 bytes; then the longest device, with ids and descriptions beyond ASCII.
    let longest = OtpDeviceDescription::MAX_BYTES;
    let euros = "€".repeat(longest / 3);
    let devices = [("a", "12345678 "), ("b", "🧀123"), ("c", "€"), ("é", &*euros), ("ü", "")];
    for (id, description) in devices {
        let inserted = insert(stores, &shop, &device(id, description)).await;
        assert_eq!(inserted, OtpDeviceInsertion::Stored);
    }
    let page = async |after: Option<&str>, limit, max_bytes| -> Vec<String> {
        let after = after.map(|id| OtpDeviceId::parse(id).unwrap());
        let page = stores.otp_devices.list(&shop, after.as_ref(), limit, max_bytes).await.unwrap();
        page.into_iter().map(|summary| summary.id.as_str().to_owned()).collect()
    };
    for (max_bytes, expected) in [
        (0, &["a"][..]),
        (9, &["a"]),
        (17, &["a"]),
        (18, &["a", "b"]),
        (21, &["a", "b"]),
        (22, &["a", "b", "c"]),
        (u32::MAX, &["a", "b", "c", "é", "ü"]),
    ] {
        assert_eq!(page(None, 9, max_bytes).await, expected, "{max_bytes} bytes");
    }
    assert_eq!(page(None, 2, u32::MAX).await, ["a", "b"]);
    assert_eq!(page(Some("b"), 9, 1).await, ["c"]);
    let whole = u32::try_from("é".len() + euros.len() + "ü".len()).unwrap();
    assert_eq!(page(Some("c"), 9, whole).await, ["é", "ü"]);
    assert_eq!(page(Some("c"), 9, whole - 1).await, ["é"]);
    assert_eq!(page(Some("c"), 9, 1).await, ["é"]);
    assert_eq!(page(Some("ü"), 9, 1).await, Vec::<String>::new());
}

/// A device is replaced only if every detail of it is unchanged.
pub async fn a_device_is_replaced_if_it_is_unchanged(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    let original = device("till", "original");
    for instance in [&shop, &other] {
        assert_eq!(insert(stores, instance, &original).await, OtpDeviceInsertion::Stored);
    }
    let with = |description: &str, key: u8, algorithm, counter| SealedOtpDevice {
        id: original.id.clone(),
        description: OtpDeviceDescription::parse(description).unwrap(),
        key: sealed_key(1, key),
        algorithm,
        counter: OtpCounter::new(counter).unwrap(),
    };
    let current = with("new", 1, OtpAlgorithm::TotpWithPrice, i64::MAX);
    assert!(stores.otp_devices.replace(&shop, &original, &current, &EVENT).await.unwrap());
    assert_eq!(stored(stores, &shop, "till").await, current);
    for stale in [
        original.clone(),
        with("New", 1, OtpAlgorithm::TotpWithPrice, i64::MAX),
        with("new", 2, OtpAlgorithm::TotpWithPrice, i64::MAX),
        with("new", 1, OtpAlgorithm::None, i64::MAX),
        with("new", 1, OtpAlgorithm::TotpWithPrice, 0),
    ] {
        assert!(!stores.otp_devices.replace(&shop, &stale, &original, &EVENT).await.unwrap());
    }
    assert_eq!(stored(stores, &shop, "till").await, current);
    assert_eq!(stored(stores, &other, "till").await, original);
}

/// Of concurrent replacements of one device, exactly one takes effect.
pub async fn exactly_one_of_concurrent_replacements_wins(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let original = device("till", "original");
    assert_eq!(insert(stores, &shop, &original).await, OtpDeviceInsertion::Stored);
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let (store, shop) = (Arc::clone(&stores.otp_devices), shop.clone());
        let (original, candidate) = (original.clone(), device("till", &format!("{number}")));
        tasks.spawn(async move {
            let replaced = store.replace(&shop, &original, &candidate, &EVENT).await.unwrap();
            replaced.then_some(candidate)
        });
    }
    let winners: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners, [stored(stores, &shop, "till").await]);
}

/// A removed device stays removed, and no other device is removed.
pub async fn a_removed_device_is_gone(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let other = stored_instance(stores, "other").await;
    for (instance, id) in [(&shop, "till"), (&shop, "kept"), (&other, "till")] {
        assert_eq!(insert(stores, instance, &device(id, "")).await, OtpDeviceInsertion::Stored);
    }
    let till = OtpDeviceId::parse("till").unwrap();
    assert!(stores.otp_devices.remove(&shop, &till, &EVENT).await.unwrap());
    assert!(!stores.otp_devices.remove(&shop, &till, &EVENT).await.unwrap());
    assert_eq!(find(stores, &shop, "till").await, None);
    assert!(find(stores, &shop, "kept").await.is_some());
    assert!(find(stores, &other, "till").await.is_some());
    let insertion = insert(stores, &shop, &device("till", "again")).await;
    assert_eq!(insertion, OtpDeviceInsertion::Stored);
}
