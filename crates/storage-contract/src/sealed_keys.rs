//! Cases of the store of sealed keys.

use merchant_otp_domain::SealedOtpKey;
use merchant_otp_ports::{DeviceKey, KeyReplacement, Stores};

use crate::Fixture;
use crate::samples::{EVENT, device_with_key, instance, sealed_key, stored_instance};

/// Stores devices, given by instance and id, with keys sealed by master key 1; returns the keys.
async fn stored_keys(stores: &Stores, devices: &[(&str, &str)]) -> Vec<DeviceKey> {
    let mut keys = Vec::new();
    for (number, (instance_id, id)) in (0..).zip(devices) {
        let instance = instance(instance_id).id;
        if stores.instances.find(&instance).await.unwrap().is_none() {
            stored_instance(stores, instance_id).await;
        }
        let device = device_with_key(id, "", sealed_key(1, number));
        stores.otp_devices.insert(&instance, device.clone(), &EVENT).await.unwrap();
        keys.push(DeviceKey { instance, device: device.id, key: device.key });
    }
    keys
}

/// A request to replace a key with one that is sealed by master key 2.
fn replacement(current: &DeviceKey, number: u8) -> KeyReplacement {
    KeyReplacement { current: current.clone(), replacement: sealed_key(2, number) }
}

/// A page of keys, none of which is damaged.
async fn page(stores: &Stores, after: Option<(&str, &str)>, limit: u16) -> Vec<DeviceKey> {
    let page = stores.sealed_keys.list(after, limit).await.unwrap();
    page.into_iter().map(Result::unwrap).collect()
}

async fn all(stores: &Stores) -> Vec<DeviceKey> {
    page(stores, None, u16::MAX).await
}

/// The keys of all instances are listed page by page, in byte order of their ids.
pub async fn keys_are_listed_in_the_order_of_their_ids(fixture: &Fixture) {
    let stores = &fixture.stores();
    assert_eq!(all(stores).await, []);
    assert_eq!(stores.sealed_keys.master_keys().await.unwrap(), []);
    let places = [
        ("Shop", "z"),
        ("a-1", "B"),
        ("a-1", "a"),
        ("a-1", "é"),
        ("a.1", "a"),
        ("a1", "_"),
        ("shop", "a a"),
        ("shop", "aa"),
    ];
    let mut shuffled = places;
    shuffled.rotate_left(3);
    shuffled.swap(0, 4);
    let mut keys = stored_keys(stores, &shuffled).await;
    keys.sort_by(|one, other| (&one.instance, &one.device).cmp(&(&other.instance, &other.device)));
    for limit in [1, 2, 3, 8, 100] {
        let mut listed: Vec<DeviceKey> = Vec::new();
        loop {
            let after = listed.last().map(|key| (key.instance.as_str(), key.device.as_str()));
            let page = page(stores, after, limit).await;
            assert!(page.len() <= usize::from(limit));
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, keys);
    }
    // The key that a page starts after need not exist.
    let page = page(stores, Some(("a-2", keys[0].device.as_str())), 1).await;
    assert_eq!(page[0].instance.as_str(), "a.1");
}

/// Keys are replaced only if they are unchanged; the other details of their devices are kept.
pub async fn keys_are_replaced_if_they_are_unchanged(fixture: &Fixture) {
    let stores = &fixture.stores();
    let keys = stored_keys(stores, &[("shop", "a"), ("shop", "b"), ("other", "a")]).await;
    let [a, b, other] = &*keys else { panic!("{} keys", keys.len()) };
    let replaced = stores.sealed_keys.replace(vec![replacement(a, 7)]).await.unwrap();
    assert_eq!(replaced, 1);
    let stale = DeviceKey { key: sealed_key(1, 99), ..b.clone() };
    let elsewhere = DeviceKey { instance: instance("unknown").id, ..b.clone() };
    let batch = [a, &stale, &elsewhere, other].map(|key| replacement(key, 9));
    assert_eq!(stores.sealed_keys.replace(batch.to_vec()).await.unwrap(), 1);
    let expected = [
        DeviceKey { key: sealed_key(2, 9), ..other.clone() },
        DeviceKey { key: sealed_key(2, 7), ..a.clone() },
        b.clone(),
    ];
    assert_eq!(all(stores).await, expected);
    let mut counts = stores.sealed_keys.master_keys().await.unwrap();
    counts.sort_unstable();
    let id = |master_key| sealed_key(master_key, 0).master_key();
    assert_eq!(counts, [(id(1), 1), (id(2), 2)]);
    assert_eq!(stores.sealed_keys.replace(Vec::new()).await.unwrap(), 0);
    let device = stores.otp_devices.find(&a.instance, &a.device).await.unwrap().unwrap();
    assert_eq!(device, device_with_key("a", "", sealed_key(2, 7)));
    // A replacement of the device that read the old key detects the change.
    let before = device_with_key("a", "", a.key.clone());
    assert!(!stores.otp_devices.replace(&a.instance, &before, &before, &EVENT).await.unwrap());
}

/// The store keeps one key check value per master key: the first one added.
pub async fn a_check_value_is_kept_for_each_master_key(fixture: &Fixture) {
    let stores = &fixture.stores();
    let store = &stores.sealed_keys;
    assert_eq!(store.check_values().await.unwrap(), []);
    for (master_key, number) in [(2, 1), (1, 2), (2, 3)] {
        store.add_check_value(sealed_key(master_key, number)).await.unwrap();
    }
    let sorted = async || {
        let mut check_values = store.check_values().await.unwrap();
        check_values.sort_by_key(SealedOtpKey::master_key);
        check_values
    };
    assert_eq!(sorted().await, [sealed_key(1, 2), sealed_key(2, 1)]);
    let one = sealed_key(1, 0).master_key();
    assert!(store.remove_check_value(one).await.unwrap());
    assert!(!store.remove_check_value(one).await.unwrap());
    assert_eq!(sorted().await, [sealed_key(2, 1)]);
    store.add_check_value(sealed_key(1, 4)).await.unwrap();
    assert_eq!(sorted().await, [sealed_key(1, 4), sealed_key(2, 1)]);
}
