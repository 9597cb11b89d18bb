//! The responses to many concurrent clients agree with the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;

use merchant_otp_tests::{
    DEVICES, ErrorCode, Server, Storage, UNKNOWN_TOKEN, added_devices, listed_devices,
};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    concurrent_responses_agree_with_the_database,
}

const CLIENTS: usize = 32;
const ROUNDS: usize = 120;

/// The number of ids; it is so small that clients compete for each.
const IDS: usize = 200;

/// A device with one of two descriptions.
fn variant(id: usize, variant: usize) -> String {
    let mut device = device(&format!("till-{id}"));
    device["otp_device_description"] = json!(format!("variant {variant}"));
    device.to_string()
}

fn concurrent_responses_agree_with_the_database(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    // By id: the variants reported as stored, and those reported as conflicting.
    let answers = Mutex::new(BTreeMap::<usize, (BTreeSet<usize>, BTreeSet<usize>)>::new());
    let abandoned = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, token, answers, abandoned) = (&server, &token, &answers, &abandoned);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let id = (client * 7 + round * 13) % IDS;
                    let chosen = (client + round) % 2;
                    match round % 10 {
                        // An unknown instance, and an unknown token.
                        3 => server
                            .post("nobody", token, variant(id, chosen))
                            .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown),
                        5 => server
                            .post("shop", UNKNOWN_TOKEN, variant(id, chosen))
                            .expect_error(401, ErrorCode::MerchantGenericUnauthorized),
                        // A client that does not wait for the response.
                        7 => {
                            let body = variant(id + IDS, chosen);
                            let mut connection = server.connect();
                            let _taken = connection.write(format!(
                                "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
                                 {token}\r\nContent-Length: {}\r\n\r\n{body}",
                                body.len()
                            ));
                            abandoned.lock().unwrap().insert(id + IDS);
                        }
                        9 => {
                            let path = format!("{DEVICES}/till-{id}");
                            let shown = server.call("GET", &path, token, "");
                            match shown.status {
                                200 => assert!(shown.body.contains("variant"), "{}", shown.body),
                                _ => shown
                                    .expect_error(404, ErrorCode::MerchantGenericOtpDeviceUnknown),
                            }
                        }
                        _ => {
                            let reply = server.post("shop", token, variant(id, chosen));
                            let mut answers = answers.lock().unwrap();
                            let (stored, conflicting) = answers.entry(id).or_default();
                            if reply.status == 204 {
                                stored.insert(chosen);
                            } else {
                                reply.expect_error(
                                    409,
                                    ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists,
                                );
                                conflicting.insert(chosen);
                            }
                        }
                    }
                }
            });
        }
    });

    let held = listed_devices(&server, &token);
    let answers = answers.into_inner().unwrap();
    for (id, (stored, conflicting)) in &answers {
        // Each id has one variant, and all responses agree on it.
        assert_eq!(stored.len(), 1, "till-{id}");
        let stored = stored.first().unwrap();
        assert!(!conflicting.contains(stored), "till-{id}");
        assert_eq!(held[&format!("till-{id}")], format!("variant {stored}"));
    }
    let asked_for = |id: &str| {
        let id = id.strip_prefix("till-").unwrap().parse().unwrap();
        answers.contains_key(&id) || abandoned.lock().unwrap().contains(&id)
    };
    assert!(held.keys().all(|id| asked_for(id)));
    // Each stored device was added once.
    let mut added = added_devices(storage);
    added.sort();
    assert_eq!(added, held.into_keys().collect::<Vec<_>>());
}
