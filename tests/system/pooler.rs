//! PgBouncer between the service and PostgreSQL.

use std::thread;

use merchant_otp_tests::{ALL, DEVICES, Output, Server, Storage, StorageKind, trail, wait_until};
use merchant_otp_throwaway_postgres::{Cluster, Pooler};
use serde_json::json;

use crate::device;

/// A storage in a cluster, and its URL through a pooler.
fn pooled(cluster: &Cluster, pooler: &Pooler) -> (Storage, String) {
    let storage = Storage::postgres_in(cluster);
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    let url = pooler.url(database.name());
    (storage, url)
}

/// Registers a device, and retries until it is stored.
#[track_caller]
fn store_eventually(server: &Server, token: &str, id: &str) {
    wait_until("a device is stored", || {
        let reply = server.post("shop", token, device(id).to_string());
        let stored = reply.status == 204;
        let is_fault = || [51, 53, 54, 55].contains(&reply.json()["code"].as_u64().unwrap());
        assert!(stored || is_fault(), "{}", reply.body);
        stored
    });
}

#[test]
fn session_mode_works_and_recovers() {
    let mut cluster = Cluster::start().unwrap();
    let mut pooler = Pooler::start(&cluster, "session").unwrap();
    let (storage, url) = pooled(&cluster, &pooler);
    // Two processes migrate through the pooler at the same time.
    let servers = thread::scope(|scope| {
        let start = || Server::start_with(&storage, &[("STORAGE__URL", &url)]);
        [scope.spawn(start), scope.spawn(start)].map(|server| server.join().unwrap())
    });
    storage.password("shop", "right");
    let token = servers[0].log_in("shop", "right", ALL).json();
    let token = token["access_token"].as_str().unwrap();
    thread::scope(|scope| {
        for client in 0..8 {
            let server = &servers[client % 2];
            scope.spawn(move || {
                for number in 0..25 {
                    let id = format!("till-{client}-{number}");
                    server.post("shop", token, device(&id).to_string()).expect_stored();
                }
            });
        }
    });
    let till = format!("{DEVICES}/till-0-0");
    let patch = json!({ "otp_device_description": "Moved" }).to_string();
    servers[0].call("PATCH", &till, token, patch).expect_stored();
    let shown = servers[1].call("GET", &till, token, "");
    assert_eq!(shown.json()["device_description"], "Moved");
    servers[1].call("DELETE", &till, token, "").expect_stored();
    assert_eq!(trail(&storage, "shop", &[]).len(), 2 + 1 + 200 + 2);

    pooler.restart().unwrap();
    store_eventually(&servers[0], token, "after the pooler");
    cluster.crash();
    assert_ne!(servers[0].post("shop", token, device("lost").to_string()).status, 204);
    cluster.start_again().unwrap();
    for server in &servers {
        store_eventually(server, token, "after the server");
        assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    }
}

/// Transaction mode is detected when names of prepared statements clash in a server session: soon,
/// but not on each start.
#[test]
fn transaction_mode_is_refused_once_it_is_detected() {
    let cluster = Cluster::start().unwrap();
    let pooler = Pooler::start(&cluster, "transaction").unwrap();
    let (storage, url) = pooled(&cluster, &pooler);
    let migrated = storage.run(&["migrate"]);
    assert!(migrated.success, "{}", migrated.stderr);
    let migrate = || Output::of(storage.command(&["migrate"], &[("STORAGE__URL", &url)]));
    let refused = (0..20).map(|_| migrate()).find(|migrated| !migrated.success).unwrap();
    assert!(refused.stderr.contains("has to be in session mode"), "{}", refused.stderr);
}
