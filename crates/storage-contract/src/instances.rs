//! Cases of the instance store.

use std::sync::Arc;

use merchant_otp_domain::{Instance, InstanceId, InstanceName, InstanceSettings, PasswordHash};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, InstanceInsertion, OtpDeviceInsertion, StoredInstance,
    Stores, TokenBasis,
};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::samples::{
    EVENT, all_tokens, device, digest, instance, password_hash, stored_instance, stored_token,
    token_info, unnumbered, without_password,
};

async fn find(stores: &Stores, id: &InstanceId) -> Option<StoredInstance> {
    stores.instances.find(id).await.unwrap().map(unnumbered)
}

async fn list(stores: &Stores) -> Vec<StoredInstance> {
    stores.instances.list().await.unwrap().into_iter().map(unnumbered).collect()
}

async fn insert(
    stores: &Stores,
    instance: Instance,
    password: Option<PasswordHash>,
) -> InstanceInsertion {
    match stores.instances.insert(instance, password, &EVENT).await.unwrap() {
        InstanceInsertion::Exists(existing) => InstanceInsertion::Exists(unnumbered(existing)),
        InstanceInsertion::Stored => InstanceInsertion::Stored,
    }
}

/// A second insertion of an id returns the first instance and changes nothing.
pub async fn an_instance_is_stored_once(fixture: &Fixture) {
    let stores = &fixture.stores();
    let first = instance("shop");
    let second = Instance { name: InstanceName::parse("Another").unwrap(), ..first.clone() };
    let insert = |instance: &Instance, password| insert(stores, instance.clone(), password);
    assert_eq!(insert(&first, None).await, InstanceInsertion::Stored);
    let expected = without_password(first.clone());
    for (again, password) in [(&first, None), (&second, None), (&first, Some(password_hash(1)))] {
        let insertion = insert(again, password).await;
        assert_eq!(insertion, InstanceInsertion::Exists(expected.clone()));
    }
    assert_eq!(find(stores, &first.id).await, Some(expected));
}

/// A password is stored with its instance or later, and can be replaced.
pub async fn a_password_comes_back(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    let insert = |password| insert(stores, shop.clone(), password);
    assert_eq!(insert(Some(password_hash(1))).await, InstanceInsertion::Stored);
    let expected = |password| StoredInstance { password, ..without_password(shop.clone()) };
    let found = find(stores, &shop.id).await;
    assert_eq!(found, Some(expected(Some(password_hash(1)))));
    let again = insert(None).await;
    assert_eq!(again, InstanceInsertion::Exists(expected(Some(password_hash(1)))));

    let other = stored_instance(stores, "other").await;
    for number in [2, 3] {
        assert!(
            stores.instances.set_password(&shop.id, password_hash(number), &EVENT).await.unwrap()
        );
        let found = find(stores, &shop.id).await;
        assert_eq!(found, Some(expected(Some(password_hash(number)))));
    }
    let untouched = find(stores, &other).await.unwrap();
    assert_eq!(untouched.password, None);
}

/// Replacing an instance changes only its name and settings, and only if they are unchanged.
pub async fn an_instance_is_replaced_if_it_is_unchanged(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    let password = Some(password_hash(1));
    stores.instances.insert(shop.clone(), password.clone(), &EVENT).await.unwrap();
    let other = stored_instance(stores, "other").await;
    let changed = Instance {
        name: InstanceName::parse("Käse & 'mehr'").unwrap(),
        settings: settings(r#"{"b":1.0,"a":"\u00fc"}"#),
        ..shop.clone()
    };
    assert!(stores.instances.replace(&shop, &changed, &EVENT).await.unwrap());
    let expected = StoredInstance { password, ..without_password(changed.clone()) };
    assert_eq!(find(stores, &shop.id).await, Some(expected.clone()));
    for stale in [
        shop.clone(),
        Instance { name: shop.name.clone(), ..changed.clone() },
        Instance { settings: settings(r#"{"a":"\u00fc","b":1.0}"#), ..changed.clone() },
    ] {
        assert!(!stores.instances.replace(&stale, &shop, &EVENT).await.unwrap());
        assert_eq!(find(stores, &shop.id).await, Some(expected.clone()));
    }
    assert_eq!(find(stores, &other).await, Some(without_password(instance("other"))));
}

/// Settings come back byte for byte, the largest ones too, and are left out of the list.
pub async fn settings_come_back_as_they_were_written(fixture: &Fixture) {
    let stores = &fixture.stores();
    let largest = format!(r#"{{"a":"{}"}}"#, "ü".repeat(32_764));
    for (id, text) in [
        ("default", "{}"),
        ("ordered", r#"{"z":1e2, "a":[1.50,"\u0041",null],"m":"'\"\\"}"#),
        ("largest", &*largest),
    ] {
        let shop = Instance { settings: settings(text), ..instance(id) };
        assert_eq!(insert(stores, shop.clone(), None).await, InstanceInsertion::Stored);
        assert_eq!(find(stores, &shop.id).await, Some(without_password(shop.clone())));
        let again = insert(stores, shop.clone(), None).await;
        assert_eq!(again, InstanceInsertion::Exists(without_password(shop)));
    }
    let listed = list(stores).await;
    let settings = |stored: &StoredInstance| stored.instance.settings.clone();
    assert_eq!(
        listed.iter().map(settings).collect::<Vec<_>>(),
        vec![InstanceSettings::default(); 3]
    );
}

fn settings(text: &str) -> InstanceSettings {
    InstanceSettings::parse(text).unwrap()
}

/// A deleted instance is reported as deleted, has no password and cannot be changed.
pub async fn a_deleted_instance_is_kept_but_unusable(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    stores.instances.insert(shop.clone(), Some(password_hash(1)), &EVENT).await.unwrap();
    let kept = stored_instance(stores, "kept").await;
    stored_token(stores, &shop.id, 1).await;
    stored_token(stores, &kept, 2).await;
    stores.otp_devices.insert(&shop.id, device("till", ""), &EVENT).await.unwrap();

    assert!(stores.instances.mark_deleted(&shop.id, &EVENT).await.unwrap());
    assert!(!stores.instances.mark_deleted(&shop.id, &EVENT).await.unwrap());
    let deleted = StoredInstance { deleted: true, ..without_password(shop.clone()) };
    assert_eq!(find(stores, &shop.id).await, Some(deleted.clone()));
    let listed = list(stores).await;
    assert_eq!(listed, [without_password(instance("kept")), deleted.clone()]);
    let insertion = insert(stores, shop.clone(), None).await;
    assert_eq!(insertion, InstanceInsertion::Exists(deleted.clone()));
    assert!(!stores.instances.replace(&shop, &shop, &EVENT).await.unwrap());
    assert!(!stores.instances.set_password(&shop.id, password_hash(2), &EVENT).await.unwrap());
    assert_eq!(find(stores, &shop.id).await, Some(deleted));

    for number in [1, 3] {
        let lookup = stores.access_tokens.find(&shop.id, &digest(number)).await.unwrap();
        assert_eq!(lookup, AccessTokenLookup::InstanceDeleted);
    }
    let lookup = stores.access_tokens.find(&kept, &digest(2)).await.unwrap();
    assert!(matches!(lookup, AccessTokenLookup::Found(_)));
    let till = device("till", "");
    assert_eq!(stores.otp_devices.find(&shop.id, &till.id).await.unwrap(), Some(till));

    assert!(stores.instances.remove(&shop.id, &EVENT).await.unwrap());
    let insertion = insert(stores, shop.clone(), None).await;
    assert_eq!(insertion, InstanceInsertion::Stored);
    assert_eq!(all_tokens(stores, &shop.id).await, []);
}

/// Of concurrent insertions of one id, one stores its instance and the others return that instance.
pub async fn exactly_one_of_concurrent_instances_wins(fixture: &Fixture) {
    let stores = &fixture.stores();
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&stores.instances);
        let name = InstanceName::parse(format!("Shop {number}")).unwrap();
        let candidate = Instance { name, ..instance("shop") };
        tasks.spawn(async move {
            (candidate.clone(), store.insert(candidate, None, &EVENT).await.unwrap())
        });
    }
    let (mut winners, mut seen) = (Vec::new(), Vec::new());
    for (candidate, insertion) in tasks.join_all().await {
        match insertion {
            InstanceInsertion::Stored => winners.push(candidate),
            InstanceInsertion::Exists(existing) => seen.push(existing),
        }
    }
    let [winner] = &*winners else { panic!("{} insertions won", winners.len()) };
    assert!(seen.iter().all(|existing| existing.instance == *winner));
}

/// Instances are listed in byte order of their ids, regardless of the database's locale.
pub async fn instances_are_listed_in_the_order_of_their_bytes(fixture: &Fixture) {
    let stores = &fixture.stores();
    assert_eq!(list(stores).await, []);
    for id in ["b1", "a-1", "a.1", "A1", "a1", "a_1", "Z1", "01"] {
        stored_instance(stores, id).await;
    }
    let expected = ["01", "A1", "Z1", "a-1", "a.1", "a1", "a_1", "b1"];
    let expected = expected.map(|id| without_password(instance(id)));
    assert_eq!(list(stores).await, expected);
}

/// Ids are compared byte for byte: an instance that does not exist is not found, changed or
/// removed.
pub async fn an_unknown_instance_is_not_found(fixture: &Fixture) {
    let stores = &fixture.stores();
    stored_instance(stores, "shop").await;
    for id in ["Shop", "shop1", "sho"] {
        let unknown = instance(id);
        let id = unknown.id.clone();
        assert_eq!(find(stores, &id).await, None);
        assert!(!stores.instances.replace(&unknown, &unknown, &EVENT).await.unwrap());
        assert!(!stores.instances.set_password(&id, password_hash(1), &EVENT).await.unwrap());
        assert!(!stores.instances.mark_deleted(&id, &EVENT).await.unwrap());
        assert!(!stores.instances.remove(&id, &EVENT).await.unwrap());
    }
    let shop = instance("shop");
    let found = find(stores, &shop.id).await;
    assert_eq!(found, Some(without_password(shop)));
}

/// Removing an instance removes its devices and tokens, and no others.
pub async fn removing_an_instance_removes_its_devices_and_tokens(fixture: &Fixture) {
    let stores = &fixture.stores();
    let gone = stored_instance(stores, "gone").await;
    let kept = stored_instance(stores, "kept").await;
    for (id, token) in [(&gone, 1), (&kept, 2)] {
        stored_token(stores, id, token).await;
        let insertion = stores.otp_devices.insert(id, device("till", ""), &EVENT).await.unwrap();
        assert_eq!(insertion, OtpDeviceInsertion::Stored);
    }

    assert!(stores.instances.remove(&gone, &EVENT).await.unwrap());
    assert!(!stores.instances.remove(&gone, &EVENT).await.unwrap());
    assert_eq!(find(stores, &gone).await, None);
    let lookup = stores.access_tokens.find(&gone, &digest(1)).await.unwrap();
    assert_eq!(lookup, AccessTokenLookup::NoSuchInstance);

    stored_instance(stores, "gone").await;
    let lookup = stores.access_tokens.find(&gone, &digest(1)).await.unwrap();
    assert_eq!(lookup, AccessTokenLookup::NotFound);
    let insertion = stores.otp_devices.insert(&gone, device("till", "new"), &EVENT).await.unwrap();
    assert_eq!(insertion, OtpDeviceInsertion::Stored);
    let lookup = stores.access_tokens.find(&kept, &digest(2)).await.unwrap();
    assert!(matches!(lookup, AccessTokenLookup::Found(_)));
    let insertion = stores.otp_devices.insert(&kept, device("till", ""), &EVENT).await.unwrap();
    assert_eq!(insertion, OtpDeviceInsertion::Exists(device("till", "")));
}

/// Insertions that race with the removal of their instance are stored and removed with it, or
/// refused.
pub async fn removing_an_instance_leaves_no_orphans_under_load(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..24 {
        let (stores, shop) = (stores.clone(), shop.clone());
        tasks.spawn(async move {
            if number == 12 {
                assert!(stores.instances.remove(&shop, &EVENT).await.unwrap());
            } else if number % 2 == 0 {
                let device = device(&format!("till {number}"), "");
                let insertion = stores.otp_devices.insert(&shop, device, &EVENT).await.unwrap();
                assert!(!matches!(insertion, OtpDeviceInsertion::Exists(_)));
            } else {
                let insertion = stores.access_tokens.insert(
                    &shop,
                    digest(number),
                    token_info(),
                    TokenBasis::Operator,
                    u32::MAX,
                    &EVENT,
                );
                let _either: AccessTokenInsertion = insertion.await.unwrap();
            }
        });
    }
    tasks.join_all().await;

    stored_instance(stores, "shop").await;
    assert_eq!(all_tokens(stores, &shop).await, []);
    for number in 0..24 {
        let device = device(&format!("till {number}"), "new");
        let insertion = stores.otp_devices.insert(&shop, device, &EVENT).await.unwrap();
        assert_eq!(insertion, OtpDeviceInsertion::Stored);
    }
}

/// An instance that is created again after its removal is a different one, with a new serial.
pub async fn an_instance_gets_a_serial_that_is_never_reused(fixture: &Fixture) {
    let stores = &fixture.stores();
    let serial = async |id: &str| {
        let id = stored_instance(stores, id).await;
        let found = stores.instances.find(&id).await.unwrap().unwrap();
        let listed = stores.instances.list().await.unwrap();
        assert!(listed.contains(&found));
        let again = stores.instances.insert(found.instance.clone(), None, &EVENT).await.unwrap();
        assert_eq!(again, InstanceInsertion::Exists(found.clone()));
        found.serial
    };
    let shop = InstanceId::parse("shop").unwrap();
    let first = serial("shop").await;
    assert!(first >= 1);
    let other = serial("other").await;
    assert!(stores.instances.remove(&shop, &EVENT).await.unwrap());
    let second = serial("shop").await;
    assert!(stores.instances.remove(&shop, &EVENT).await.unwrap());
    let third = serial("shop").await;
    let serials = [first, other, second, third];
    assert!(serials.is_sorted_by(|a, b| a < b), "{serials:?}");
}
