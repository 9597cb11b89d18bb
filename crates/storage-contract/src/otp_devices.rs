//! Cases of the OTP-device store.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_domain::{
    InstanceId, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey,
};
use merchant_otp_ports::{OtpDeviceInsertion, Stores};
use tokio::task::JoinSet;

use crate::samples::{device, device_with_key, instance, stored_instance};

async fn insert(stores: &Stores, instance: &InstanceId, device: &OtpDevice) -> OtpDeviceInsertion {
    stores.otp_devices.insert(instance, device.clone()).await.unwrap()
}

/// The stored device of an id, found by inserting another one.
async fn stored(stores: &Stores, instance: &InstanceId, id: &str) -> OtpDevice {
    match insert(stores, instance, &device(id, "never stored")).await {
        OtpDeviceInsertion::Exists(device) => device,
        other => panic!("{id:?} is not stored: {other:?}"),
    }
}

/// A second insertion of an id answers with the first device and changes nothing.
pub async fn a_device_is_stored_once(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    let first = device("till", "first");
    assert_eq!(insert(stores, &shop, &first).await, OtpDeviceInsertion::Stored);
    for again in [&first, &device("till", "second")] {
        let insertion = insert(stores, &shop, again).await;
        assert_eq!(insertion, OtpDeviceInsertion::Exists(first.clone()));
    }
}

/// Keys of every length and every byte come back.
pub async fn keys_come_back_bit_for_bit(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    let bytes: Vec<u8> = (0..=255).collect();
    let keys = [&bytes[..0], &bytes[..1], &bytes[..20], &bytes[..128], &bytes[128..], &[0; 128]];
    for (number, key) in keys.into_iter().enumerate() {
        let id = format!("till {number}");
        let device = device_with_key(&id, "", key.to_vec());
        assert_eq!(insert(stores, &shop, &device).await, OtpDeviceInsertion::Stored);
        assert_eq!(stored(stores, &shop, &id).await.key().expose_bytes(), key);
    }
}

/// Descriptions, algorithms and counters come back, at their limits too.
pub async fn every_detail_comes_back(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    let descriptions = ["", "Käse\n\t\"1\" '2' \\ ; -- 🧀\u{1}", &"d".repeat(64 * 1024)];
    for (description, algorithm) in descriptions.into_iter().zip(OtpAlgorithm::ALL) {
        for counter in [0, 1, i64::MAX] {
            let id = format!("{} {counter}", algorithm.name());
            let device = OtpDevice::new(
                OtpDeviceId::parse(&*id).unwrap(),
                OtpDeviceDescription::parse(description).unwrap(),
                OtpKey::from_bytes(vec![7]).unwrap(),
                algorithm,
                OtpCounter::new(counter).unwrap(),
            )
            .unwrap();
            assert_eq!(insert(stores, &shop, &device).await, OtpDeviceInsertion::Stored);
            assert_eq!(stored(stores, &shop, &id).await, device);
        }
    }
}

/// Case, accents, normalization and blanks all make different ids.
pub async fn ids_are_compared_byte_for_byte(stores: &Stores) {
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

/// The same id in two instances is two devices.
pub async fn instances_do_not_see_each_others_devices(stores: &Stores) {
    let [one, other] = ["one", "other"].map(|id| stored_instance(stores, id));
    let (one, other) = (one.await, other.await);
    let (ours, theirs) = (device("till", "ours"), device("till", "theirs"));
    assert_eq!(insert(stores, &one, &ours).await, OtpDeviceInsertion::Stored);
    assert_eq!(insert(stores, &other, &theirs).await, OtpDeviceInsertion::Stored);
    assert_eq!(stored(stores, &one, "till").await, ours);
    assert_eq!(stored(stores, &other, "till").await, theirs);
}

/// A device is stored for instances that are there, compared byte for byte.
pub async fn an_unknown_instance_takes_no_devices(stores: &Stores) {
    stored_instance(stores, "shop").await;
    for id in ["nobody", "Shop"] {
        let insertion = insert(stores, &instance(id).id, &device("till", "")).await;
        assert_eq!(insertion, OtpDeviceInsertion::NoSuchInstance);
    }
}

/// Of several insertions of one id at once, one stores its device and the others see that one.
pub async fn exactly_one_of_concurrent_devices_wins(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let (store, shop) = (Arc::clone(&stores.otp_devices), shop.clone());
        let candidate = device("till", &format!("candidate {number}"));
        tasks.spawn(
            async move { (candidate.clone(), store.insert(&shop, candidate).await.unwrap()) },
        );
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

/// Insertions of different ids at once do not get in each other's way.
pub async fn concurrent_devices_of_different_ids_are_all_stored(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let (store, shop) = (Arc::clone(&stores.otp_devices), shop.clone());
        let device = device(&format!("till {number}"), "");
        tasks.spawn(async move { store.insert(&shop, device).await.unwrap() });
    }
    let insertions = tasks.join_all().await;
    assert_eq!(insertions, vec![OtpDeviceInsertion::Stored; 64]);
}

/// Callers that give up at any moment leave whole devices or none, and the store in order.
pub async fn a_dropped_caller_leaves_all_or_nothing(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    for number in 0..100_u64 {
        let device = device(&format!("till {number}"), "original");
        let patience = Duration::from_micros(number * 37);
        let insertion = stores.otp_devices.insert(&shop, device);
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
