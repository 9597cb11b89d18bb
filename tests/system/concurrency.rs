//! Many clients at once.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use merchant_otp_tests::{Server, Storage};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    identical_posts_at_once_all_succeed,
    exactly_one_of_different_posts_at_once_succeeds,
    a_client_that_goes_away_leaves_the_service_in_order,
}

/// Posts 64 bodies at once; answers how many replies had which status.
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

fn identical_posts_at_once_all_succeed(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let statuses = post_at_once(&server, &token, |_| device("till").to_string());
    assert_eq!(statuses, BTreeMap::from([(204, 64)]));
}

fn exactly_one_of_different_posts_at_once_succeeds(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let statuses = post_at_once(&server, &token, |number| {
        let mut body = device("till");
        body["otp_ctr"] = json!(number);
        body.to_string()
    });
    assert_eq!(statuses, BTreeMap::from([(204, 1), (409, 63)]));
}

fn a_client_that_goes_away_leaves_the_service_in_order(storage: &Storage) {
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
