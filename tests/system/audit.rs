//! The audit trail: actor, operation, address and outcome.

use std::thread::sleep;
use std::time::Duration;

use merchant_otp_tests::{
    ALL, DEVICES, ErrorCode, Server, Storage, StorageKind, TOKEN, UNKNOWN_TOKEN, basic, shop,
    trail, wait_until,
};
use serde_json::{Value, json};

use crate::{device, on_both_databases};

on_both_databases! {
    changes_and_refusals_are_in_the_trail_and_in_the_log,
    the_trail_of_an_instance_is_listed,
    behind_a_proxy_the_trail_has_the_address_of_the_client,
    audit_events_cannot_be_changed,
    old_events_are_removed,
    guesses_of_clients_that_leave_are_recorded,
}

/// Actor, address, operation, device and outcome.
fn summary(event: &Value) -> String {
    let text = |name: &str| match &event[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ["actor", "address", "operation", "device", "outcome"].map(text).join(" ")
}

fn changes_and_refusals_are_in_the_trail_and_in_the_log(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let reader = storage.token("shop", "readonly", "forever");
    storage.password("cafe", "right");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let mut other = device("till");
    other["otp_ctr"] = json!(1);
    server
        .post("shop", &token, other.to_string())
        .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    server
        .post("shop", &reader, device("till").to_string())
        .expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    server
        .post("shop", UNKNOWN_TOKEN, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let till = format!("{DEVICES}/till");
    let new_key = json!({ "otp_device_description": "Moved" }).to_string();
    server.call("PATCH", &till, &token, new_key).expect_stored();
    server.call("DELETE", &till, &token, "").expect_stored();
    server
        .call("DELETE", &till, &token, "")
        .expect_error(404, ErrorCode::MerchantGenericOtpDeviceUnknown);
    assert_eq!(server.log_in("cafe", "right", ALL).status, 200);
    server.log_in("cafe", "wrong", ALL).expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server.call("DELETE", TOKEN, &token, "").expect_stored();

    let events = trail(storage, "shop", &[]);
    let reported: Vec<_> = events.iter().map(summary).collect();
    let expected = [
        "operator - instance.add - done",
        "operator - access-token.issue - done",
        "operator - access-token.issue - done",
        "token 127.0.0.1 otp-device.add till done",
        "token 127.0.0.1 otp-device.add till conflict",
        "token 127.0.0.1 otp-devices-write - forbidden",
        "unknown 127.0.0.1 otp-devices-write - unauthorized",
        "token 127.0.0.1 otp-device.change till done",
        "token 127.0.0.1 otp-device.remove till done",
        "token 127.0.0.1 otp-device.remove - not-found",
        "token 127.0.0.1 access-token.revoke - done",
    ];
    assert_eq!(reported, expected);
    assert_eq!(
        (&events[3]["actor_serial"], &events[3]["actor_scope"]),
        (&events[1]["access_token"], &json!("all"))
    );
    assert_eq!(events[5]["actor_scope"], "readonly");
    let cafe: Vec<_> = trail(storage, "cafe", &[]).iter().map(summary).collect();
    let expected = [
        "operator - instance.add - done",
        "operator - instance.set-password - done",
        "password 127.0.0.1 access-token.issue - done",
        "unknown 127.0.0.1 instance.log-in - unauthorized",
    ];
    assert_eq!(cafe, expected);

    let (_, log) = server.stop();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<_> =
        lines.filter(|line| line["target"] == "audit" && line["instance"] == "shop").collect();
    let reported: Vec<_> = lines.iter().map(summary).collect();
    // Operations without effect are only in the log; those of the command line are not in this log.
    assert_eq!(
        reported[..3],
        [
            "token 127.0.0.1 otp-device.add till done",
            "token 127.0.0.1 otp-device.add till unchanged",
            "token 127.0.0.1 otp-device.add till conflict",
        ]
    );
    assert_eq!(lines[0]["actor_serial"], events[1]["access_token"]);
    assert_eq!(lines[0]["instance"], "shop");
}

/// Inserts an event from 2023 directly into the database.
fn insert_old_event(storage: &Storage, unrecorded: u32) {
    // SQLite does not assign serials itself.
    let (column, serial) = match storage.kind() {
        StorageKind::Sqlite(_) => ("serial, ", "1000, "),
        StorageKind::Postgres(_) => ("", ""),
    };
    storage.execute(&format!(
        "INSERT INTO audit_events
             ({column}happened_at, instance_id, actor, operation, outcome, unrecorded)
         VALUES
             ({serial}1700000000, 'shop', 'unknown', 'instance.log-in', 'throttled', {unrecorded})"
    ));
}

fn the_trail_of_an_instance_is_listed(storage: &Storage) {
    let _token = storage.token("shop", "all", "forever");
    assert!(storage.run(&["instance", "remove", "shop"]).success);
    // An event older than an hour, with unrecorded refusals before it.
    insert_old_event(storage, 940);
    let listed = storage.run(&["audit", "list", "--instance", "shop"]).stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines[0], "TIME\tACTOR\tADDRESS\tOPERATION\tTARGET\tOUTCOME");
    assert_eq!(lines[1], "\t940 refusals before this one are not recorded");
    assert_eq!(lines[2], "2023-11-14T22:13:20Z\tunknown\t-\tinstance.log-in\t-\tthrottled");
    assert!(lines[3].ends_with("\toperator\t-\tinstance.add\t-\tdone"), "{listed}");
    assert!(lines[4].contains("\toperator\t-\taccess-token.issue\ttoken "), "{listed}");
    assert!(lines[5].ends_with("\toperator\t-\tinstance.purge\t-\tdone"), "{listed}");
    assert_eq!(lines.len(), 6);
    assert_eq!(trail(storage, "shop", &["--since", "1h"]).len(), 3);
    assert_eq!(trail(storage, "shop", &["--since", "2023-11-14T22:13:20Z"]).len(), 4);
    assert_eq!(trail(storage, "shop", &["--since", "1700000001"]).len(), 3);
    assert_eq!(trail(storage, "nobody", &[]).len(), 0);
    let refused = storage.run(&["audit", "list", "--instance", "shop", "--since", "yesterday"]);
    assert!(!refused.success && refused.stderr.contains("7d"), "{}", refused.stderr);
}

fn behind_a_proxy_the_trail_has_the_address_of_the_client(storage: &Storage) {
    storage.password("shop", "right");
    let authorization = basic("shop", "right");
    // The client sends the other two headers itself, and the proxy forwards them.
    let headers = [
        ("Authorization", &*authorization),
        ("X-Forwarded-For", "203.0.113.5, 2001:db8::7"),
        ("Forwarded", "for=203.0.113.6, for=192.0.2.8"),
        ("X-Real-IP", "192.0.2.9"),
    ];
    for (header, address) in
        [("x-forwarded-for", "2001:db8::7"), ("Forwarded", "192.0.2.8"), ("X-Real-IP", "192.0.2.9")]
    {
        let settings = [("HTTP__BEHIND_PROXY", "true"), ("HTTP__PROXY_HEADER", header)];
        let server = Server::start_with(storage, &settings);
        assert_eq!(server.request("POST", TOKEN, &headers, ALL.as_bytes()).status, 200);
        let events = trail(storage, "shop", &[]);
        let expected = format!("password {address} access-token.issue - done");
        assert_eq!(summary(events.last().unwrap()), expected);
    }
}

fn audit_events_cannot_be_changed(storage: &Storage) {
    let _token = storage.token("shop", "all", "forever");
    let before = trail(storage, "shop", &[]);
    let mut forbidden = vec!["UPDATE audit_events SET actor = 'unknown'"];
    if matches!(storage.kind(), StorageKind::Postgres(_)) {
        forbidden.push("TRUNCATE audit_events");
    }
    for sql in forbidden {
        let error = storage.try_execute(sql).unwrap_err();
        assert!(error.contains("audit events are not changed"), "{error}");
    }
    assert_eq!(trail(storage, "shop", &[]), before);
}

fn old_events_are_removed(storage: &Storage) {
    let _token = storage.token("shop", "all", "forever");
    insert_old_event(storage, 0);
    let server = Server::start_with(storage, &[("AUDIT__RETENTION", "0")]);
    server.stop();
    assert_eq!(trail(storage, "shop", &[]).len(), 3);
    let server = Server::start_with(storage, &[("AUDIT__RETENTION", "1")]);
    wait_until("the old event is removed", || server.log().contains("removed old audit events"));
    // At most the events of the instance and the token are left.
    assert!(trail(storage, "shop", &[]).len() <= 2);
}

/// The connection is reset while the password is checked.
fn guesses_of_clients_that_leave_are_recorded(storage: &Storage) {
    const GUESSES: usize = 8;
    let server = shop(storage);
    for guess in 0..GUESSES {
        let mut connection = server.connect();
        let authorization = basic("shop", &format!("guess {guess}"));
        assert!(connection.write(format!(
            "GET /config HTTP/1.1\r\nHost: x\r\n\r\n\
             POST {TOKEN} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\
             Content-Length: {}\r\n\r\n{ALL}",
            ALL.len()
        )));
        sleep(Duration::from_millis(40));
        // Closing a socket with unread data resets the connection.
        drop(connection);
    }
    let recorded = || {
        let trail = trail(storage, "shop", &[]);
        let log_ins = trail.iter().filter(|event| event["operation"] == "instance.log-in");
        log_ins.filter(|event| event["outcome"] == "unauthorized").count()
    };
    wait_until("the guesses are recorded", || recorded() == GUESSES);
    wait_until("the guesses are logged", || {
        server.log().matches("\"operation\":\"instance.log-in\"").count() >= GUESSES
    });
}
