//! Comparison of the recorded outcomes with the database and the audit trail.

use std::collections::{BTreeMap, BTreeSet};

use merchant_otp_tests::{Server, Storage};
use serde_json::Value;

use crate::client::{Device, OPERATIONS, description, descriptions};
use crate::{INSTANCES, Run};

/// Numbers of applied operations, by device and index in [`OPERATIONS`].
type Done = BTreeMap<String, [u32; 3]>;

pub(crate) fn reconcile(storage: &Storage, server: &Server, run: &Run) {
    let account = run.account.lock().unwrap();
    let (mut held_all, mut events) = (0, 0);
    let mut landed = 0;
    for (instance, name) in INSTANCES.iter().enumerate() {
        let path = format!("/instances/{name}/private/otp-devices");
        let held = descriptions(&server.call("GET", &path, &run.tokens[instance], "").json());
        let mut done = done(storage, name);
        held_all += held.len();
        events += done.values().flatten().sum::<u32>();
        let mut known = BTreeSet::new();
        for device in account.devices.iter().filter(|device| device.instance == instance) {
            let counted = done.remove(&device.id).unwrap_or_default();
            landed += u32::from(check(device, held.get(&device.id), counted));
            known.insert(&device.id);
        }
        for (id, [stored, conflicting, uncertain]) in
            account.shared.iter().filter(|_| instance == 0)
        {
            let found = held.get(id);
            let counted = done.remove(id).unwrap_or_default();
            assert_eq!(counted, [u32::from(found.is_some()), 0, 0], "{id}");
            let of =
                |all: &BTreeSet<u32>| -> Vec<_> { all.iter().copied().map(description).collect() };
            let (stored, conflicting, uncertain) = (of(stored), of(conflicting), of(uncertain));
            match found {
                Some(found) if stored.is_empty() => assert!(uncertain.contains(found), "{id}"),
                Some(found) => assert_eq!(stored, [found.as_str()], "{id}"),
                None => assert!(stored.is_empty() && conflicting.is_empty(), "{id} is lost"),
            }
            assert!(found.is_none_or(|found| !conflicting.contains(found)), "{id}");
            known.insert(id);
        }
        let invented: Vec<_> = held.keys().filter(|id| !known.contains(id)).collect();
        assert!(invented.is_empty(), "not requested: {invented:?}");
        assert!(done.is_empty(), "events of changes that were not requested: {done:?}");
    }
    let uncertain = account.devices.iter().filter(|device| device.uncertain.is_some()).count();
    println!("  answers by status (0: the connection broke): {:?}", account.statuses);
    println!(
        "  reconciled: {} devices asked for, {held_all} held, {events} changes in the audit trail; \
         {uncertain} without an answer, of which {landed} were done",
        account.devices.len() + account.shared.len()
    );
}

/// Asserts that a device matches the record of its client; returns whether an operation without a
/// response was applied.
fn check(device: &Device, found: Option<&String>, counted: [u32; 3]) -> bool {
    let id = &device.id;
    if found == device.held.map(description).as_ref() {
        assert_eq!(counted, device.done, "the events of {id}");
        return false;
    }
    let Some((operation, then)) = device.uncertain else {
        panic!("{id} is {found:?}, and should be {:?}", device.held)
    };
    assert_eq!(found, then.map(description).as_ref(), "{id}, without an answer");
    let mut done = device.done;
    done[operation] += 1;
    assert_eq!(counted, done, "the events of {id}");
    true
}

/// Counts the applied operations in the audit trail of an instance, by device.
fn done(storage: &Storage, instance: &str) -> Done {
    let listed = storage.run(&["audit", "list", "--instance", instance, "--json"]);
    assert!(listed.success, "{}", listed.stderr);
    let mut done = Done::new();
    for line in listed.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let operation = OPERATIONS.iter().position(|name| event["operation"] == *name);
        if let (Some(operation), true) = (operation, event["outcome"] == "done") {
            let device = event["device"].as_str().unwrap().to_owned();
            done.entry(device).or_default()[operation] += 1;
        }
    }
    done
}
