//! Cases of the instance store.

use std::sync::Arc;

use merchant_otp_domain::{Instance, InstanceName};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, InstanceInsertion, OtpDeviceInsertion, Stores,
};
use tokio::task::JoinSet;

use crate::samples::{device, digest, instance, stored_instance, stored_token, token_info};

/// A second insertion of an id answers with the first instance and changes nothing.
pub async fn an_instance_is_stored_once(stores: &Stores) {
    let first = instance("shop");
    let second = Instance { name: InstanceName::parse("Another").unwrap(), ..first.clone() };
    let insert = |instance: &Instance| stores.instances.insert(instance.clone());
    assert_eq!(insert(&first).await.unwrap(), InstanceInsertion::Stored);
    assert_eq!(insert(&first).await.unwrap(), InstanceInsertion::Exists(first.clone()));
    assert_eq!(insert(&second).await.unwrap(), InstanceInsertion::Exists(first.clone()));
    assert_eq!(stores.instances.find(&first.id).await.unwrap(), Some(first));
}

/// Of several insertions of one id at once, one stores its instance and the others see that one.
pub async fn exactly_one_of_concurrent_instances_wins(stores: &Stores) {
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&stores.instances);
        let name = InstanceName::parse(format!("Shop {number}")).unwrap();
        let candidate = Instance { name, ..instance("shop") };
        tasks.spawn(async move { (candidate.clone(), store.insert(candidate).await.unwrap()) });
    }
    let (mut winners, mut seen) = (Vec::new(), Vec::new());
    for (candidate, insertion) in tasks.join_all().await {
        match insertion {
            InstanceInsertion::Stored => winners.push(candidate),
            InstanceInsertion::Exists(existing) => seen.push(existing),
        }
    }
    let [winner] = &*winners else { panic!("{} insertions won", winners.len()) };
    assert!(seen.iter().all(|existing| existing == winner));
}

/// Instances are listed by the bytes of their ids, whatever the locale of the database.
pub async fn instances_are_listed_in_the_order_of_their_bytes(stores: &Stores) {
    assert_eq!(stores.instances.list().await.unwrap(), []);
    for id in ["b1", "a-1", "a.1", "A1", "a1", "a_1", "Z1", "01"] {
        stored_instance(stores, id).await;
    }
    let expected = ["01", "A1", "Z1", "a-1", "a.1", "a1", "a_1", "b1"].map(instance);
    assert_eq!(stores.instances.list().await.unwrap(), expected);
}

/// Ids are compared byte for byte; what is not there is not found and not removed.
pub async fn an_unknown_instance_is_not_found(stores: &Stores) {
    stored_instance(stores, "shop").await;
    for id in ["Shop", "shop1", "sho"] {
        let id = instance(id).id;
        assert_eq!(stores.instances.find(&id).await.unwrap(), None);
        assert!(!stores.instances.remove(&id).await.unwrap());
    }
}

/// With an instance, its devices and tokens go, and only its own.
pub async fn removing_an_instance_removes_its_devices_and_tokens(stores: &Stores) {
    let gone = stored_instance(stores, "gone").await;
    let kept = stored_instance(stores, "kept").await;
    for (id, token) in [(&gone, 1), (&kept, 2)] {
        stored_token(stores, id, token).await;
        let insertion = stores.otp_devices.insert(id, device("till", "")).await.unwrap();
        assert_eq!(insertion, OtpDeviceInsertion::Stored);
    }

    assert!(stores.instances.remove(&gone).await.unwrap());
    assert!(!stores.instances.remove(&gone).await.unwrap());
    assert_eq!(stores.instances.find(&gone).await.unwrap(), None);
    let lookup = stores.access_tokens.find(&gone, &digest(1)).await.unwrap();
    assert_eq!(lookup, AccessTokenLookup::NoSuchInstance);

    stored_instance(stores, "gone").await;
    let lookup = stores.access_tokens.find(&gone, &digest(1)).await.unwrap();
    assert_eq!(lookup, AccessTokenLookup::Unknown);
    let insertion = stores.otp_devices.insert(&gone, device("till", "new")).await.unwrap();
    assert_eq!(insertion, OtpDeviceInsertion::Stored);
    let lookup = stores.access_tokens.find(&kept, &digest(2)).await.unwrap();
    assert!(matches!(lookup, AccessTokenLookup::Found(_)));
    let insertion = stores.otp_devices.insert(&kept, device("till", "")).await.unwrap();
    assert_eq!(insertion, OtpDeviceInsertion::Exists(device("till", "")));
}

/// Insertions that race with the removal of their instance are stored and removed, or refused.
pub async fn removing_an_instance_leaves_no_orphans_under_load(stores: &Stores) {
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..24 {
        let (stores, shop) = (stores.clone(), shop.clone());
        tasks.spawn(async move {
            if number == 12 {
                assert!(stores.instances.remove(&shop).await.unwrap());
            } else if number % 2 == 0 {
                let device = device(&format!("till {number}"), "");
                let insertion = stores.otp_devices.insert(&shop, device).await.unwrap();
                assert!(!matches!(insertion, OtpDeviceInsertion::Exists(_)));
            } else {
                let insertion = stores.access_tokens.insert(&shop, digest(number), token_info());
                let _either: AccessTokenInsertion = insertion.await.unwrap();
            }
        });
    }
    tasks.join_all().await;

    stored_instance(stores, "shop").await;
    assert_eq!(stores.access_tokens.list(&shop).await.unwrap(), Some(Vec::new()));
    for number in 0..24 {
        let device = device(&format!("till {number}"), "new");
        let insertion = stores.otp_devices.insert(&shop, device).await.unwrap();
        assert_eq!(insertion, OtpDeviceInsertion::Stored);
    }
}
