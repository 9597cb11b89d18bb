//! Clients that stall while they send a body or read a list: credentials that are revoked meanwhile
//! no longer work.

use merchant_otp_tests::{ErrorCode, RawConnection, Server, Storage, basic};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    a_token_revoked_while_the_body_arrives_is_refused,
    a_password_changed_while_the_body_arrives_issues_no_token,
    a_request_to_a_purged_instance_does_not_reach_its_successor,
    a_list_is_cut_off_when_its_token_is_revoked,
}

/// A request of which the head and the first byte of the body have been sent.
struct Stalled {
    connection: RawConnection,
    rest: String,
}

impl Stalled {
    fn begin(server: &Server, method: &str, path: &str, authorization: &str, body: &str) -> Self {
        let mut connection = server.connect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: {authorization}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let (first, rest) = body.split_at(1);
        assert!(connection.write(head + first));
        // Long enough for the credentials to be checked and accepted.
        std::thread::sleep(std::time::Duration::from_millis(300));
        Self { connection, rest: rest.to_owned() }
    }

    /// Sends the rest, and expects an error with this status and code.
    #[track_caller]
    fn expect_refusal(mut self, status: u16, code: u16) {
        assert!(self.connection.write(&self.rest));
        let reply = self.connection.read_to_end();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert!(reply.contains(&format!("\"code\":{code},")), "{reply}");
    }
}

const AUTH: &str = r#"{"method": "token", "password": "of a thief"}"#;
const FOREVER: &str = r#"{"scope": "all:refreshable", "duration": {"d_us": "forever"}}"#;

fn a_token_revoked_while_the_body_arrives_is_refused(storage: &Storage) {
    let server = Server::start(storage);
    let admin = storage.token("admin", "all:refreshable", "forever");
    let shop = storage.token("shop", "all:refreshable", "forever");
    let keeper = storage.token("shop", "all", "forever");
    server.post("shop", &keeper, device("till").to_string()).expect_stored();
    let stolen = |token: &str| format!("Bearer {token}");
    let new = json!({
        "id": "new", "name": "New", "auth": { "method": "token", "password": "of a thief" },
    });
    let (device, new) = (device("other").to_string(), new.to_string());
    let own = "/instances/shop/private";
    let parked: Vec<_> = [
        ("POST", format!("{own}/token"), &shop, FOREVER),
        ("POST", format!("{own}/auth"), &shop, AUTH),
        ("PATCH", own.to_owned(), &shop, r#"{"name": "of a thief"}"#),
        ("POST", format!("{own}/otp-devices"), &shop, &device),
        ("PATCH", format!("{own}/otp-devices/till"), &shop, r#"{"otp_key": "MZXW6"}"#),
        ("POST", "/management/instances".to_owned(), &admin, &new),
        ("POST", "/management/instances/shop/auth".to_owned(), &admin, AUTH),
        ("PATCH", "/management/instances/shop".to_owned(), &admin, r#"{"name": "of a thief"}"#),
    ]
    .into_iter()
    .map(|(method, path, token, body)| Stalled::begin(&server, method, &path, &stolen(token), body))
    .collect();
    server.call("DELETE", "/instances/shop/private/token", &shop, "").expect_stored();
    server.call("DELETE", "/private/token", &admin, "").expect_stored();
    for request in parked {
        request.expect_refusal(401, 2015);
    }
    let shown = server.call("GET", own, &keeper, "").json();
    assert_eq!(shown["name"], "shop");
    let devices = server.call("GET", &format!("{own}/otp-devices"), &keeper, "").json();
    assert_eq!(devices["otp_devices"].as_array().unwrap().len(), 1);
    assert_eq!(storage.run(&["instance", "list"]).stdout, "admin\tadmin\nshop\tshop\n");
}

fn a_password_changed_while_the_body_arrives_issues_no_token(storage: &Storage) {
    let server = Server::start(storage);
    storage.password("shop", "old");
    let path = "/instances/shop/private/token";
    let parked = Stalled::begin(&server, "POST", path, &basic("shop", "old"), FOREVER);
    storage.password("shop", "new");
    parked.expect_refusal(401, 2015);
}

fn a_request_to_a_purged_instance_does_not_reach_its_successor(storage: &Storage) {
    let server = Server::start(storage);
    let former = storage.token("shop", "all:refreshable", "forever");
    let bearer = format!("Bearer {former}");
    let own = "/instances/shop/private";
    let parked = [("token", FOREVER), ("auth", AUTH)].map(|(tail, body)| {
        Stalled::begin(&server, "POST", &format!("{own}/{tail}"), &bearer, body)
    });
    assert!(storage.run(&["instance", "remove", "shop"]).success);
    storage.password("shop", "of the next");
    for request in parked {
        request.expect_refusal(401, 2015);
    }
    assert_eq!(server.log_in("shop", "of the next", r#"{"scope": "all"}"#).status, 200);
}

/// The list of about 18 MB is larger than the socket buffers: the client reads the head, and then
/// nothing for more than a second.
fn a_list_is_cut_off_when_its_token_is_revoked(storage: &Storage) {
    let server = Server::start(storage);
    let (thief, keeper) =
        (storage.token("shop", "all", "forever"), storage.token("shop", "all", "forever"));
    let mut long = device("till");
    long["otp_device_description"] = "d".repeat(60_000).into();
    server.post("shop", &keeper, long.to_string()).expect_stored();
    storage.execute(
        "WITH RECURSIVE numbers(number) AS
            (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 300)
         INSERT INTO otp_devices
             (instance_id, device_id, description, sealed_key, algorithm, counter)
         SELECT 'shop', 'till ' || number, description, sealed_key, algorithm, counter
         FROM numbers, otp_devices",
    );
    let path = "/instances/shop/private/otp-devices";
    let begin = |token: &str| {
        let mut connection = server.connect();
        assert!(connection.write(format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        )));
        let head = connection.read_head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        connection
    };
    let (mut stolen, mut kept) = (begin(&thief), begin(&keeper));
    // Revoked by another process.
    let tokens = storage.run(&["token", "list", "--instance", "shop"]).stdout;
    let oldest = tokens.lines().nth(1).unwrap().split('\t').next().unwrap();
    assert!(storage.run(&["token", "revoke", "--instance", "shop", oldest]).success);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    server.post("shop", &keeper, device("zzz-later").to_string()).expect_stored();

    let list = stolen.read_to_end();
    assert!(list.contains("till 1"), "nothing was read");
    assert!(!list.contains("zzz-later"), "it has what came after the revocation");
    assert!(!list.ends_with("0\r\n\r\n"), "it looks complete");
    server.call("GET", path, &thief, "").expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let logged = server.log();
    let broken_off = logged.lines().find(|line| line.contains("streaming the device list failed"));
    assert!(broken_off.is_some_and(|line| line.contains("unknown to the instance")), "{logged}");

    let list = kept.read_to_end();
    assert!(list.contains("zzz-later") && list.ends_with("]}\r\n0\r\n\r\n"));
}
