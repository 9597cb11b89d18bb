//! OTP devices: list, show, change, remove.

use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use merchant_otp_tests::{DEVICES, ErrorCode, Server, Storage, StorageKind, json};
use serde_json::{Value, json};

use crate::{device, on_both_databases};

on_both_databases! {
    devices_are_listed_in_the_order_of_their_ids,
    a_long_list_takes_little_memory,
    a_device_is_shown_without_its_key,
    codes_are_those_of_the_protocol,
    no_code_is_shown_without_an_algorithm_or_a_price,
    malformed_parameters_are_named,
    a_change_keeps_omitted_fields,
    an_invalid_change_changes_nothing,
    concurrent_changes_all_take_effect,
    many_concurrent_changes_all_succeed,
    a_pipelined_head_has_no_body,
    a_removed_device_is_gone,
    unknown_devices_and_instances_are_not_found,
    ids_are_decoded_once,
    permissions_are_those_of_the_protocol,
    head_responds_like_get_without_a_body,
    faults_have_the_codes_of_their_operation,
}

/// A server with an instance `shop`, and a token for it.
fn shop(storage: &Storage) -> (Server, String) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    (server, token)
}

fn path(id: &str) -> String {
    format!("{DEVICES}/{id}")
}

fn devices_are_listed_in_the_order_of_their_ids(storage: &Storage) {
    let (server, token) = shop(storage);
    let empty = server.call("GET", DEVICES, &token, "");
    assert_eq!(json(&empty), json!({ "otp_devices": [] }));
    // More than one page of the list.
    let mut ids: Vec<_> = (0..250).map(|number| format!("till {}", number * 7 % 250)).collect();
    ids.extend(["Z", "a", "_", "é", "\"\\"].map(str::to_owned));
    for id in &ids {
        server.post("shop", &token, device(id).to_string()).expect_stored();
    }
    ids.sort_unstable();
    let expected: Vec<_> = ids
        .iter()
        .map(|id| json!({ "otp_device_id": id, "device_description": "Till at the door" }))
        .collect();
    let listed = server.call("GET", DEVICES, &token, "");
    assert_eq!(json(&listed), json!({ "otp_devices": expected }));
}

fn a_long_list_takes_little_memory(storage: &Storage) {
    let (server, token) = shop(storage);
    let (description, key) = match storage.kind() {
        StorageKind::Sqlite(_) => ("hex(zeroblob(500))", "zeroblob(68)"),
        StorageKind::Postgres(_) => ("repeat('0', 1000)", "decode(repeat('00', 68), 'hex')"),
    };
    storage.execute(&format!(
        "WITH RECURSIVE numbers(number) AS
            (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 100000)
         INSERT INTO otp_devices
             (instance_id, device_id, description, sealed_key, algorithm, counter)
         SELECT 'shop', 'till ' || number, {description}, {key}, 1, 0 FROM numbers"
    ));
    let before = server.peak_memory();
    let listed = server.call("GET", DEVICES, &token, "");
    assert!(listed.body.len() > 100_000_000);
    assert_eq!(listed.json()["otp_devices"].as_array().unwrap().len(), 100_000);
    let grown = server.peak_memory() - before;
    assert!(grown < 20 * 1024, "100 MB of list took {grown} KiB of memory");
}

fn a_device_is_shown_without_its_key(storage: &Storage) {
    let (server, token) = shop(storage);
    let mut body = device("till");
    body["otp_ctr"] = json!(i64::MAX);
    server.post("shop", &token, body.to_string()).expect_stored();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = now();
    let shown = json(&server.call("GET", &path("till"), &token, ""));
    assert!((before..=now()).contains(&shown["otp_timestamp"].as_u64().unwrap()));
    let mut fields: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = ["device_description", "otp_algorithm", "otp_code", "otp_ctr", "otp_timestamp"];
    assert_eq!(fields, expected);
    assert_eq!(shown["device_description"], "Till at the door");
    assert_eq!(shown["otp_algorithm"], 1);
    assert_eq!(shown["otp_ctr"], i64::MAX);
}

fn codes_are_those_of_the_protocol(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("time").to_string()).expect_stored();
    let mut body = device("price");
    body["otp_algorithm"] = json!("TOTP_WITH_PRICE");
    server.post("shop", &token, body.to_string()).expect_stored();
    for (id, query, codes) in [
        ("time", "faketime=59", "84755224\n84755224\n94287082\n37359152\n26969429"),
        ("time", "faketime=0&price=EUR:1", "84755224\n84755224\n84755224\n94287082\n37359152"),
        ("time", "faketime=1700001530", "03355263\n02810198\n00529628\n01346658\n75908310"),
        (
            "price",
            "price=EUR:1.50&faketime=1700000000",
            "25414867\n50803371\n84002102\n81378344\n14701362",
        ),
        (
            "price",
            "faketime=59&price=CHF%3A0.00000001",
            "02350094\n02350094\n67774117\n48776519\n49178788",
        ),
        (
            "price",
            "faketime=%2059&price=CHF:.00000001&x=y",
            "02350094\n02350094\n67774117\n48776519\n49178788",
        ),
    ] {
        let shown = json(&server.call("GET", &path(&format!("{id}?{query}")), &token, ""));
        assert_eq!(shown["otp_code"], codes, "{query}");
    }
    let shown = json(&server.call("GET", &path("time?faketime=59"), &token, ""));
    assert_eq!(shown["otp_timestamp"], 59);
}

fn no_code_is_shown_without_an_algorithm_or_a_price(storage: &Storage) {
    let (server, token) = shop(storage);
    for (id, algorithm) in [("none", 0), ("price", 2)] {
        let mut body = device(id);
        body["otp_algorithm"] = json!(algorithm);
        server.post("shop", &token, body.to_string()).expect_stored();
    }
    for query in ["none", "none?price=EUR:1&faketime=1", "price", "price?faketime=1"] {
        let shown = json(&server.call("GET", &path(query), &token, ""));
        assert!(shown.get("otp_code").is_none(), "{query}: {shown}");
    }
}

fn malformed_parameters_are_named(storage: &Storage) {
    const TIME: &str = "must be seconds since the epoch, from 0 to 2^53 - 1";
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let (faketimes, prices) = (
        ["", "x", "-1", "1.5", "1x", "9007199254740992", "99999999999999999999", "%ff", "1%20"],
        ["", "1", "EUR", "EUR:", "eur:1", "EUR:1,5", "EUR:-1", "EUR:4503599627370497", "%00"],
    );
    let queries = faketimes
        .map(|value| ("faketime", value))
        .into_iter()
        .chain(prices.map(|value| ("price", value)));
    for (name, value) in queries {
        let refused = server.call("GET", &path(&format!("till?{name}={value}")), &token, "");
        refused.expect_error(400, ErrorCode::GenericParameterMalformed);
        assert_eq!(refused.json()["detail"], name, "{value}");
        let hint = refused.json()["hint"].as_str().unwrap().to_owned();
        let reason = hint.strip_prefix("A parameter of the request is malformed: ").unwrap();
        let expected = ["amount", "currency", "fraction"];
        let is_reason = expected.iter().any(|word| reason.contains(word));
        assert!(if name == "faketime" { reason == TIME } else { is_reason }, "{hint}");
    }
}

fn a_change_keeps_omitted_fields(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let patch = |body: Value| server.call("PATCH", &path("till"), &token, body.to_string());
    let show = || json(&server.call("GET", &path("till?faketime=59"), &token, ""));
    let before = show();
    patch(json!({})).expect_stored();
    let nothing = json!({
        "otp_device_description": null, "otp_key": null, "otp_algorithm": null, "otp_ctr": null,
    });
    patch(nothing).expect_stored();
    assert_eq!(show(), before);

    patch(json!({ "otp_device_description": "new", "otp_algorithm": null })).expect_stored();
    let mut expected = before;
    expected["device_description"] = json!("new");
    assert_eq!(show(), expected);
    patch(json!({ "otp_ctr": 7, "otp_device_id": "ignored" })).expect_stored();
    expected["otp_ctr"] = json!(7);
    assert_eq!(show(), expected);
    patch(json!({ "otp_key": "MZXW6YTB" })).expect_stored();
    assert_ne!(show()["otp_code"], expected["otp_code"]);
    patch(json!({ "otp_key": "gezdgnbvgy3tqojqgezdgnbvgy3tqojq" })).expect_stored();
    assert_eq!(show(), expected);
    // The algorithm may be named, and cannot be changed.
    patch(json!({ "otp_algorithm": "totp_without_price", "otp_ctr": 8 })).expect_stored();
    expected["otp_ctr"] = json!(8);
    for algorithm in [json!("none"), json!(0), json!(2), json!("TOTP_WITH_PRICE")] {
        let change = json!({ "otp_algorithm": algorithm, "otp_ctr": 9 });
        let refused = patch(change);
        refused.expect_error(409, ErrorCode::MerchantPrivatePatchOtpDevicesConflict);
        assert!(refused.json()["detail"].as_str().unwrap().contains("algorithm"));
        assert_eq!(show(), expected);
    }
}

fn an_invalid_change_changes_nothing(storage: &Storage) {
    let (server, token) = shop(storage);
    let mut without_key = device("till");
    without_key["otp_algorithm"] = json!(0);
    without_key["otp_key"] = json!("");
    server.post("shop", &token, without_key.to_string()).expect_stored();
    for (field, value) in [
        ("otp_device_description", json!(1)),
        ("otp_key", json!("1")),
        ("otp_algorithm", json!(3)),
        ("otp_ctr", json!(-1)),
    ] {
        let mut body = json!({ "otp_device_description": "new", "otp_ctr": 1 });
        body[field] = value;
        let refused = server.call("PATCH", &path("till"), &token, body.to_string());
        refused.expect_error(400, ErrorCode::GenericJsonInvalid);
        assert_eq!(refused.json()["field"], field);
    }
    server
        .call("PATCH", &path("till"), &token, "[]")
        .expect_error(400, ErrorCode::GenericJsonInvalid);
    server.post("shop", &token, without_key.to_string()).expect_stored();
}

fn concurrent_changes_all_take_effect(storage: &Storage) {
    let (server, token) = shop(storage);
    for round in 0..10 {
        let id = format!("till-{round}");
        server.post("shop", &token, device(&id).to_string()).expect_stored();
        let changes = [
            json!({ "otp_device_description": "new" }),
            json!({ "otp_ctr": 7 }),
            json!({ "otp_key": "MZXW6YTB" }),
        ];
        thread::scope(|scope| {
            for change in &changes {
                let (server, token, path) = (&server, &token, path(&id));
                scope.spawn(move || {
                    server.call("PATCH", &path, token, change.to_string()).expect_stored();
                });
            }
        });
        let shown = json(&server.call("GET", &path(&id), &token, ""));
        assert_eq!(shown["device_description"], "new");
        assert_eq!(shown["otp_ctr"], 7);
        let at = json(&server.call("GET", &path(&format!("{id}?faketime=59")), &token, ""));
        // Another key than that of RFC 6238.
        assert!(!at["otp_code"].as_str().unwrap().contains("94287082"), "{at}");
    }
}

fn many_concurrent_changes_all_succeed(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    thread::scope(|scope| {
        for number in 0..64 {
            let (server, token) = (&server, &token);
            scope.spawn(move || {
                let change = json!({ "otp_ctr": number }).to_string();
                server.call("PATCH", &path("till"), token, change).expect_stored();
            });
        }
    });
}

fn a_pipelined_head_has_no_body(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let request = |method: &str, more: &str| {
        format!(
            "{method} {DEVICES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        )
    };
    let mut connection = server.connect();
    assert!(connection.write(request("HEAD", "") + &request("GET", "Connection: close\r\n")));
    let replies = connection.read_to_end();
    let (head, get) = replies.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && get.starts_with("HTTP/1.1 200 "), "{replies}");
    assert_eq!(replies.matches("otp_devices").count(), 1, "{replies}");
}

fn a_removed_device_is_gone(storage: &Storage) {
    let (server, token) = shop(storage);
    for id in ["till", "kept"] {
        server.post("shop", &token, device(id).to_string()).expect_stored();
    }
    server.call("DELETE", &path("till"), &token, "").expect_stored();
    server
        .call("DELETE", &path("till"), &token, "")
        .expect_error(404, ErrorCode::MerchantGenericOtpDeviceUnknown);
    server
        .call("GET", &path("till"), &token, "")
        .expect_error(404, ErrorCode::MerchantGenericOtpDeviceUnknown);
    let listed = json(&server.call("GET", DEVICES, &token, ""));
    assert_eq!(listed["otp_devices"][0]["otp_device_id"], "kept");
    assert_eq!(listed["otp_devices"].as_array().unwrap().len(), 1);
    // The id can be used again.
    let mut other = device("till");
    other["otp_ctr"] = json!(1);
    server.post("shop", &token, other.to_string()).expect_stored();
}

fn unknown_devices_and_instances_are_not_found(storage: &Storage) {
    let (server, token) = shop(storage);
    for id in ["till", "%ff", "%00", "%2e", &"i".repeat(256)] {
        for method in ["GET", "PATCH", "DELETE"] {
            server
                .call(method, &path(id), &token, "{}")
                .expect_error(404, ErrorCode::MerchantGenericOtpDeviceUnknown);
            let nowhere = format!("/instances/nobody/private/otp-devices/{id}");
            server
                .call(method, &nowhere, &token, "{}")
                .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
        }
    }
    let nowhere = "/instances/nobody/private/otp-devices";
    server
        .call("GET", nowhere, &token, "")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
}

fn ids_are_decoded_once(storage: &Storage) {
    let (server, token) = shop(storage);
    for (id, encoded) in [
        ("till 1", "till%201"),
        ("a+b", "a+b"),
        ("a+b", "a%2Bb"),
        ("%41", "%2541"),
        ("%", "%25"),
        ("%25", "%2525"),
        ("%25", "%%32%35"),
        ("a?b#c", "a%3Fb%23c"),
        ("касса", "%D0%BA%D0%B0%D1%81%D1%81%D0%B0"),
        ("a;b=c", "a;b=c"),
        ("\u{fffd}", "%EF%BF%BD"),
    ] {
        let mut body = device(id);
        body["otp_device_description"] = json!(id);
        server.post("shop", &token, body.to_string()).expect_stored();
        let shown = json(&server.call("GET", &path(encoded), &token, ""));
        assert_eq!(shown["device_description"], id, "{encoded}");
    }
    // These would be ids of devices if they were decoded twice, or with replacement characters.
    for encoded in ["%252541", "A", "%ff", "%c3%28"] {
        server
            .call("GET", &path(encoded), &token, "")
            .expect_error(404, ErrorCode::MerchantGenericOtpDeviceUnknown);
    }
}

fn permissions_are_those_of_the_protocol(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let readonly = storage.token("shop", "readonly", "forever");
    let orders = storage.token("shop", "order-full", "forever");
    let foreign = storage.token("other", "all", "forever");
    for (method, path, reading) in [
        ("GET", DEVICES.to_owned(), true),
        ("HEAD", DEVICES.to_owned(), true),
        ("GET", path("till"), true),
        ("HEAD", path("till"), true),
        ("PATCH", path("till"), false),
        ("DELETE", path("till"), false),
    ] {
        let status = |token: &str| server.call(method, &path, token, "{}").status;
        assert_eq!(status(&orders), 403, "{method}");
        assert_eq!(status(&readonly), if reading { 200 } else { 403 }, "{method}");
        assert_eq!(status(&foreign), 401, "{method}");
        assert_eq!(server.request(method, &path, &[], b"").status, 401, "{method}");
    }
    server.call("DELETE", &path("till"), &token, "").expect_stored();
}

fn head_responds_like_get_without_a_body(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    for path in [DEVICES.to_owned(), path("till"), path("nothing")] {
        let get = server.call("GET", &path, &token, "");
        let head = server.call("HEAD", &path, &token, "");
        assert_eq!((head.status, &*head.body), (get.status, ""));
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"));
        assert_eq!(head.header("Content-Length"), get.header("Content-Length"));
    }
}

fn faults_have_the_codes_of_their_operation(storage: &Storage) {
    let (server, token) = shop(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let patch = || server.call("PATCH", &path("till"), &token, r#"{"otp_ctr": 1}"#);
    let delete = || server.call("DELETE", &path("till"), &token, "");
    let (fault, repair) = match storage.kind() {
        StorageKind::Sqlite(_) => (
            "CREATE TRIGGER change BEFORE UPDATE ON otp_devices
             BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER removal BEFORE DELETE ON otp_devices
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER change; DROP TRIGGER removal",
        ),
        StorageKind::Postgres(_) => (
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE TRIGGER fault BEFORE UPDATE OR DELETE ON otp_devices
             FOR EACH ROW EXECUTE FUNCTION fault()",
            "DROP TRIGGER fault ON otp_devices",
        ),
    };
    storage.execute(fault);
    patch().expect_error(500, ErrorCode::GenericDbStoreFailed);
    delete().expect_error(500, ErrorCode::GenericDbStoreFailed);
    storage.execute(repair);

    storage.execute("ALTER TABLE otp_devices RENAME TO elsewhere");
    for path in [DEVICES.to_owned(), path("till")] {
        server.call("GET", &path, &token, "").expect_error(500, ErrorCode::GenericDbFetchFailed);
    }
    patch().expect_error(500, ErrorCode::GenericDbFetchFailed);
    storage.execute("ALTER TABLE elsewhere RENAME TO otp_devices");
    patch().expect_stored();
    delete().expect_stored();
}
