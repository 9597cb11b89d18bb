//! Cases of several processes, and of several sets of stores in one process.

use std::sync::Arc;

use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::samples::{EVENT, device, digest, stored_instance, stored_token};

/// A process sees the changes of another process at once.
pub async fn another_process_sees_what_is_stored(fixture: &Fixture) {
    let (first, second) = (fixture.stores(), fixture.second());
    let shop = stored_instance(&first, "shop").await;
    assert_eq!(second.instances.list().await.unwrap(), first.instances.list().await.unwrap());
    let till = device("till", "");
    let insertion = second.otp_devices.insert(&shop, till.clone(), &EVENT).await.unwrap();
    assert_eq!(insertion, OtpDeviceInsertion::Stored);
    assert_eq!(first.otp_devices.find(&shop, &till.id).await.unwrap(), Some(till.clone()));
    assert!(first.otp_devices.remove(&shop, &till.id, &EVENT).await.unwrap());
    assert_eq!(second.otp_devices.find(&shop, &till.id).await.unwrap(), None);
}

/// A process does not find a token that another process removed, even if it found the token before.
pub async fn a_revocation_of_another_process_is_final(fixture: &Fixture) {
    let (first, second) = (fixture.stores(), fixture.second());
    let shop = stored_instance(&first, "shop").await;
    let serial = stored_token(&first, &shop, 1).await;
    let found = second.access_tokens.find(&shop, &digest(1)).await.unwrap();
    assert!(matches!(found, AccessTokenLookup::Found(_)));
    assert!(first.access_tokens.remove(&shop, serial, &EVENT).await.unwrap());
    let found = second.access_tokens.find(&shop, &digest(1)).await.unwrap();
    assert_eq!(found, AccessTokenLookup::NotFound);
}

/// Of concurrent insertions of one id by two processes, exactly one stores its device.
pub async fn exactly_one_of_two_processes_stores_a_device(fixture: &Fixture) {
    let processes = [fixture.stores(), fixture.second()];
    let shop = stored_instance(&processes[0], "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let store = Arc::clone(&processes[number % 2].otp_devices);
        let shop = shop.clone();
        let candidate = device("till", &format!("candidate {number}"));
        tasks.spawn(async move {
            let insertion = store.insert(&shop, candidate.clone(), &EVENT).await.unwrap();
            (candidate, insertion)
        });
    }
    let (mut winners, mut seen) = (Vec::new(), Vec::new());
    for (candidate, insertion) in tasks.join_all().await {
        match insertion {
            OtpDeviceInsertion::Stored => winners.push(candidate),
            OtpDeviceInsertion::Exists(existing) => seen.push(existing),
            OtpDeviceInsertion::NoSuchInstance => panic!("the instance exists"),
        }
    }
    let [winner] = &*winners else { panic!("{} insertions won", winners.len()) };
    assert!(seen.iter().all(|existing| existing == winner));
}

/// Many sets of stores of one process, more than it has connections, use the same database.
pub async fn sets_of_one_process_share_the_database(fixture: &Fixture) {
    let sets: Vec<_> = (0..16).map(|_| fixture.stores()).collect();
    let shop = stored_instance(&sets[0], "shop").await;
    let mut tasks = JoinSet::new();
    for (number, stores) in sets.iter().cloned().enumerate() {
        let (shop, device) = (shop.clone(), device(&format!("till {number:02}"), ""));
        tasks.spawn(async move {
            let insertion = stores.otp_devices.insert(&shop, device.clone(), &EVENT).await;
            assert_eq!(insertion.unwrap(), OtpDeviceInsertion::Stored);
            assert_eq!(stores.otp_devices.find(&shop, &device.id).await.unwrap(), Some(device));
        });
    }
    tasks.join_all().await;
    for stores in sets {
        assert_eq!(stores.otp_devices.list(&shop, None, 100, u32::MAX).await.unwrap().len(), 16);
    }
}
