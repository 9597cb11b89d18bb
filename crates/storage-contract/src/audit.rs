//! Cases of the audit trail.

use std::sync::Arc;

use merchant_otp_domain::{
    AccessTokenSerial, Actor, AuditEvent, Instance, InstanceId, InstanceName, Operation,
    OtpDeviceId, Outcome, Permission, Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AuditPosition, AuditRemoval, OtpDeviceInsertion, StoredAuditEvent,
    Stores, TokenBasis,
};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::samples::{
    EVENT, device, digest, event_of, instance, password_hash, stored_instance, token_info,
};

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

const START: AuditPosition = AuditPosition { time: Timestamp::EPOCH, serial: 0 };

async fn trail(stores: &Stores, instance: &str) -> Vec<StoredAuditEvent> {
    let instance = InstanceId::parse(instance).unwrap();
    stores.audit.list(&instance, START, u16::MAX).await.unwrap()
}

pub(crate) async fn events(stores: &Stores, instance: &str) -> Vec<AuditEvent> {
    trail(stores, instance).await.into_iter().map(|stored| stored.event).collect()
}

/// Events with every actor and outcome are returned with all their details.
pub async fn an_event_comes_back(fixture: &Fixture) {
    let stores = &fixture.stores();
    let serial = |number| AccessTokenSerial::new(number).unwrap();
    let scope = TokenScope { scope: Scope::OrderPos, refreshable: true };
    let actors = [
        Actor::Unknown,
        Actor::Operator,
        Actor::Password,
        Actor::Token { serial: serial(i64::MAX), scope },
    ];
    let addresses = [None, Some("192.0.2.1"), Some("2001:db8::1")];
    let mut appended = Vec::new();
    for (number, outcome) in Outcome::ALL.iter().copied().enumerate() {
        let event = AuditEvent {
            time: time(u64::try_from(number).unwrap()),
            actor: actors[number % actors.len()],
            address: addresses[number % addresses.len()].map(|text| text.parse().unwrap()),
            device: (number % 2 == 0).then(|| OtpDeviceId::parse("Käse '1' 🧀").unwrap()),
            access_token: (number % 2 == 1).then(|| serial(7)),
            outcome,
            unrecorded: if number == 0 { u32::MAX } else { 0 },
            ..event_of("shop", Operation::Use(Permission::ALL[number]))
        };
        stores.audit.append(event.clone()).await.unwrap();
        appended.push(event);
    }
    let last = AuditEvent { time: time(Timestamp::MAX_SECONDS), ..appended[0].clone() };
    stores.audit.append(last.clone()).await.unwrap();
    appended.push(last);
    assert_eq!(events(stores, "shop").await, appended);
}

/// Each change appends its event to the trail exactly once.
pub async fn a_change_appends_its_event(fixture: &Fixture) {
    let stores = &fixture.stores();
    let mut expected = Vec::new();
    let mut event = |operation| {
        let event = event_of("shop", operation);
        expected.push(event.clone());
        event
    };
    let (shop, till) = (instance("shop"), device("till", ""));
    let id = &shop.id;
    let added = event(Operation::AddInstance);
    stores.instances.insert(shop.clone(), None, &added).await.unwrap();
    let renamed = event(Operation::RenameInstance);
    let another = Instance { name: InstanceName::parse("Another").unwrap(), ..shop.clone() };
    assert!(stores.instances.replace(&shop, &another, &renamed).await.unwrap());
    let set = event(Operation::SetPassword);
    assert!(stores.instances.set_password(id, password_hash(1), &set).await.unwrap());
    let issued = event(Operation::IssueAccessToken);
    let token = stores
        .access_tokens
        .insert(id, digest(1), token_info(), TokenBasis::Operator, u32::MAX, &issued)
        .await
        .unwrap();
    let AccessTokenInsertion::Stored(serial) = token else { panic!("the instance is there") };
    let revoked = event(Operation::RevokeAccessToken);
    assert!(stores.access_tokens.remove(id, serial, &revoked).await.unwrap());
    let device_added = event(Operation::AddOtpDevice);
    stores.otp_devices.insert(id, till.clone(), &device_added).await.unwrap();
    let changed = event(Operation::ChangeOtpDevice);
    assert!(stores.otp_devices.replace(id, &till, &till, &changed).await.unwrap());
    let device_removed = event(Operation::RemoveOtpDevice);
    assert!(stores.otp_devices.remove(id, &till.id, &device_removed).await.unwrap());
    let deleted = event(Operation::DeleteInstance);
    assert!(stores.instances.mark_deleted(id, &deleted).await.unwrap());
    let purged = event(Operation::PurgeInstance);
    assert!(stores.instances.remove(id, &purged).await.unwrap());

    // The store adds the serial, which is assigned when the token is stored.
    expected[3].access_token = Some(serial);
    assert_eq!(events(stores, "shop").await, expected);
    let serials: Vec<_> = trail(stores, "shop").await.iter().map(|one| one.serial).collect();
    assert!(serials[0] >= 1 && serials.is_sorted_by(|a, b| a < b), "{serials:?}");
}

/// Inserting something that exists, or changing something that does not, appends no event.
pub async fn an_operation_without_effect_appends_no_event(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = instance("shop");
    let till = device("till", "");
    stores.instances.insert(shop.clone(), None, &EVENT).await.unwrap();
    stores.otp_devices.insert(&shop.id, till.clone(), &EVENT).await.unwrap();
    let nothing = &event_of("shop", Operation::AddInstance);
    stores.instances.insert(shop.clone(), None, nothing).await.unwrap();
    stores.otp_devices.insert(&shop.id, till.clone(), nothing).await.unwrap();
    let (unknown, other) = (instance("unknown"), device("other", ""));
    let unknown_id = unknown.id.clone();
    let insertion = stores.otp_devices.insert(&unknown_id, till.clone(), nothing).await.unwrap();
    assert_eq!(insertion, OtpDeviceInsertion::NoSuchInstance);
    let insertion = stores
        .access_tokens
        .insert(&unknown_id, digest(1), token_info(), TokenBasis::Operator, u32::MAX, nothing)
        .await;
    assert_eq!(insertion.unwrap(), AccessTokenInsertion::NoSuchInstance);
    assert!(!stores.otp_devices.replace(&shop.id, &other, &other, nothing).await.unwrap());
    assert!(!stores.otp_devices.remove(&shop.id, &other.id, nothing).await.unwrap());
    let serial = AccessTokenSerial::new(7).unwrap();
    assert!(!stores.access_tokens.remove(&shop.id, serial, nothing).await.unwrap());
    assert!(!stores.instances.replace(&unknown, &unknown, nothing).await.unwrap());
    assert!(!stores.instances.set_password(&unknown_id, password_hash(1), nothing).await.unwrap());
    assert!(!stores.instances.mark_deleted(&unknown_id, nothing).await.unwrap());
    assert!(!stores.instances.remove(&unknown_id, nothing).await.unwrap());
    assert_eq!(events(stores, "shop").await, []);
}

/// Of concurrent insertions of one device, only the one that stores it is in the trail.
pub async fn one_of_concurrent_changes_appends_its_event(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (store, shop) = (Arc::clone(&stores.otp_devices), shop.clone());
        tasks.spawn(async move {
            let event =
                AuditEvent { unrecorded: number, ..event_of("shop", Operation::AddOtpDevice) };
            let insertion = store.insert(&shop, device("till", ""), &event).await.unwrap();
            (insertion == OtpDeviceInsertion::Stored).then_some(event)
        });
    }
    let done: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(done.len(), 1);
    assert_eq!(events(stores, "shop").await, done);
}

/// Events of an instance are listed in pages, by time and then in the order of appending.
pub async fn events_are_listed_by_time_in_pages(fixture: &Fixture) {
    let stores = &fixture.stores();
    for (instance, seconds, unrecorded) in
        [("shop", 20, 3), ("shop", 10, 1), ("other", 10, 0), ("shop", 20, 4), ("shop", 15, 2)]
    {
        let event =
            AuditEvent { time: time(seconds), unrecorded, ..event_of(instance, Operation::LogIn) };
        stores.audit.append(event).await.unwrap();
    }
    let shop = InstanceId::parse("shop").unwrap();
    let page = async |after, limit| {
        let page = stores.audit.list(&shop, after, limit).await.unwrap();
        let numbers: Vec<_> = page.iter().map(|stored| stored.event.unrecorded).collect();
        (numbers, page.last().map(StoredAuditEvent::position))
    };
    let (first, end) = page(START, 3).await;
    assert_eq!(first, [1, 2, 3]);
    let (second, end) = page(end.unwrap(), 3).await;
    assert_eq!(second, [4]);
    assert_eq!(page(end.unwrap(), 3).await, (Vec::new(), None));
    let since = |seconds| AuditPosition { time: time(seconds), serial: 0 };
    assert_eq!(page(since(15), 9).await.0, [2, 3, 4]);
    assert_eq!(page(since(16), 9).await.0, [3, 4]);
    assert_eq!(page(since(21), 9).await.0, []);
    assert_eq!(events(stores, "unknown").await, []);
}

/// The trail is kept when an instance is purged and when another one with its id is created.
pub async fn events_outlive_their_instance(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let kept = event_of("shop", Operation::SetPassword);
    assert!(stores.instances.set_password(&shop, password_hash(1), &kept).await.unwrap());
    assert!(stores.instances.remove(&shop, &EVENT).await.unwrap());
    stored_instance(stores, "shop").await;
    assert_eq!(events(stores, "shop").await, [kept]);
}

/// Events older than a given time are removed instance by instance, oldest first, in batches.
pub async fn old_events_are_removed(fixture: &Fixture) {
    let stores = &fixture.stores();
    for seconds in 1..=10 {
        let instance = if seconds % 2 == 0 { "shop" } else { "other" };
        let event = AuditEvent { time: time(seconds), ..event_of(instance, Operation::LogIn) };
        stores.audit.append(event).await.unwrap();
    }
    // Appended late: events are removed in the order of their times.
    let late = AuditEvent { time: time(1), ..event_of("shop", Operation::LogIn) };
    stores.audit.append(late).await.unwrap();
    let remove = async |seconds, after: Option<&str>, limit| {
        let after = after.map(|id| InstanceId::parse(id).unwrap());
        let removal = stores.audit.remove_before(time(seconds), after.as_ref(), limit).await;
        let removal: Option<AuditRemoval> = removal.unwrap();
        removal.map(|AuditRemoval { instance, removed }| (instance.to_string(), removed))
    };
    let removed = |instance: &str, number| Some((instance.to_owned(), number));
    let seconds = async |instance| {
        let events = events(stores, instance).await;
        events.iter().map(|event| event.time.seconds()).collect::<Vec<_>>()
    };
    assert_eq!(remove(1, None, 100).await, removed("other", 0));
    assert_eq!(remove(8, None, 3).await, removed("other", 3));
    assert_eq!(seconds("other").await, [7, 9]);
    assert_eq!(remove(8, None, 3).await, removed("other", 1));
    assert_eq!(remove(8, Some("other"), 2).await, removed("shop", 2));
    assert_eq!(seconds("shop").await, [4, 6, 8, 10]);
    assert_eq!(remove(8, Some("other"), 2).await, removed("shop", 2));
    assert_eq!(remove(8, Some("shop"), 2).await, None);
    assert_eq!((seconds("shop").await, seconds("other").await), (vec![8, 10], vec![9]));
    // An instance without events is skipped.
    assert_eq!(remove(100, None, 2).await, removed("other", 1));
    assert_eq!(remove(100, None, 1).await, removed("shop", 1));
    assert_eq!(remove(100, None, 2).await, removed("shop", 1));
    assert_eq!(remove(100, None, 2).await, None);
}

/// Old events are also removed if their instance was purged.
pub async fn old_events_of_purged_instances_are_removed(fixture: &Fixture) {
    let stores = &fixture.stores();
    let shop = stored_instance(stores, "shop").await;
    let purged = AuditEvent { time: time(5), ..event_of("shop", Operation::PurgeInstance) };
    assert!(stores.instances.remove(&shop, &purged).await.unwrap());
    assert_eq!(events(stores, "shop").await, [purged]);
    let removal = AuditRemoval { instance: shop, removed: 1 };
    let anywhere = InstanceId::parse("anywhere").unwrap();
    let removed = stores.audit.remove_before(time(6), Some(&anywhere), 9).await.unwrap();
    assert_eq!(removed, Some(removal));
    assert_eq!(events(stores, "shop").await, []);
}
