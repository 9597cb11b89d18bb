//! Concurrent clients.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use merchant_otp_tests::{Server, Storage, StorageKind};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    identical_concurrent_posts_all_succeed,
    exactly_one_of_different_concurrent_posts_succeeds,
    a_disconnected_client_leaves_no_trace,
}

/// Posts 64 bodies at once; returns the number of replies by status.
fn post_at_once(
    server: &Server,
    token: &str,
    body: impl Fn(usize) -> String + Sync,
) -> BTreeMap<u16, usize> {
    const CLIENTS: usize = 64;
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (body, start) = (body(number), &start);
                scope.spawn(move || {
                    start.wait();
                    server.post("shop", token, body).status
                })
            })
            .collect();
        let mut statuses = BTreeMap::new();
        for client in clients {
            *statuses.entry(client.join().unwrap()).or_default() += 1;
        }
        statuses
    })
}

fn identical_concurrent_posts_all_succeed(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let statuses = post_at_once(&server, &token, |_| device("till").to_string());
    assert_eq!(statuses, BTreeMap::from([(204, 64)]));
}

fn exactly_one_of_different_concurrent_posts_succeeds(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let statuses = post_at_once(&server, &token, |number| {
        let mut body = device("till");
        body["otp_ctr"] = json!(number);
        body.to_string()
    });
    assert_eq!(statuses, BTreeMap::from([(204, 1), (409, 63)]));
}

fn a_disconnected_client_leaves_no_trace(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    for sent in [0, 10, body.len() - 1, body.len()] {
        for number in 0..10 {
            let body = body.replace("till", &format!("ti{number:02}"));
            let mut connection = server.connect();
            let head = format!(
                "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\n\
                 Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            assert!(connection.write(head) && connection.write(&body[..sent]));
            drop(connection);
        }
    }
    for number in 0..10 {
        server
            .post("shop", &token, body.replace("till", &format!("ti{number:02}")))
            .expect_stored();
    }
}

/// The limit on connections holds for any number and kind of requests.
#[test]
fn workers_share_the_connections_to_postgresql() {
    const CONNECTIONS: i64 = 7;
    let storage = Storage::postgres();
    let settings = [("HTTP__WORKERS", "3"), ("STORAGE__CONNECTIONS", "7")];
    let server = Server::start_with(&storage, &settings);
    let token = storage.token("shop", "all", "forever");
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    let mut session = database.session();
    let mut connections = || -> i64 {
        // Connections of the service only: commands have others.
        let count = "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'merchant-otp' AND datname = current_database()";
        session.query_one(count, &[]).unwrap().get(0)
    };
    let most = thread::scope(|scope| {
        let clients: Vec<_> = (0..24)
            .map(|client| {
                let (server, token) = (&server, &token);
                scope.spawn(move || {
                    for number in 0..20 {
                        let id = format!("till-{client}-{number}");
                        server.post("shop", token, device(&id).to_string()).expect_stored();
                        let path = format!("/instances/shop/private/otp-devices/{id}");
                        assert_eq!(server.call("GET", &path, token, "").status, 200);
                        server.call("DELETE", &path, token, "").expect_stored();
                    }
                })
            })
            .collect();
        let mut most = 0;
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            most = most.max(connections());
        }
        most
    });
    // All workers were busy, each with its two connections.
    assert!((6..=CONNECTIONS).contains(&most), "{most} connections");
}
