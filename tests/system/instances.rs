//! Instances: managed by `admin`, and by themselves.

use std::thread;

use merchant_otp_tests::{
    ALL, AUTH, ErrorCode, Server, Storage, StorageKind, UNKNOWN_TOKEN, json, token, trail,
};
use serde_json::{Value, json};

use crate::{device, on_both_databases};

on_both_databases! {
    an_instance_is_provisioned_before_it_is_used,
    an_instance_is_created_once,
    an_instance_is_created_at_the_path_of_self_provisioning,
    a_password_may_be_sent_as_a_token,
    malformed_instances_are_refused,
    instances_are_listed_and_shown,
    an_instance_is_renamed,
    settings_are_returned_as_they_were_written,
    concurrent_changes_of_settings_all_take_effect,
    an_instance_is_deleted_and_purged,
    an_instance_deletes_itself,
    only_admin_manages_instances,
    faults_of_management_have_their_codes,
}

const INSTANCES: &str = "/management/instances";

/// A server, and a token of `admin`.
fn admin(storage: &Storage) -> (Server, String) {
    let server = Server::start(storage);
    let token = storage.token("admin", "all", "forever");
    (server, token)
}

/// A complete body of the protocol.
fn configuration(id: &str, name: &str, password: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "email": "shop@example.com",
        "auth": { "method": "token", "password": password },
        "address": { "name": "Another name", "address_lines": ["1", "2"] },
        "jurisdiction": { "id": "x", "name": "y", "password": "z" },
        "use_stefan": true,
        "default_pay_delay": { "d_us": 1_000_000 },
        "default_wire_transfer_delay": { "d_us": "forever" },
    })
}

fn an_instance_is_provisioned_before_it_is_used(storage: &Storage) {
    let (server, admin) = admin(storage);
    let body = configuration("shop", "Käse & mehr", "geheim").to_string();
    server.call("POST", INSTANCES, &admin, body).expect_stored();
    let token = json(&server.log_in("shop", "geheim", r#"{"scope": "all"}"#));
    let token = token["access_token"].as_str().unwrap();
    server.post("shop", token, device("till").to_string()).expect_stored();
    // `admin` manages instances, but cannot act for them.
    server
        .post("shop", &admin, device("till").to_string())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    assert_eq!(storage.run(&["instance", "list"]).stdout, "admin\tadmin\nshop\tKäse & mehr\n");
}

fn an_instance_is_created_once(storage: &Storage) {
    let (server, admin) = admin(storage);
    let add = |id: &str, name: &str, password: &str| {
        let body = configuration(id, name, password).to_string();
        server.call("POST", INSTANCES, &admin, body)
    };
    add("shop", "Shop", "right").expect_stored();
    add("shop", "Shop", "right").expect_stored();
    add("shop", "Another", "right")
        .expect_error(409, ErrorCode::MerchantPrivatePostInstancesAlreadyExists);
    add("shop", "Shop", "wrong")
        .expect_error(409, ErrorCode::MerchantPrivatePostInstancesAlreadyExists);
    add("default", "Shop", "right")
        .expect_error(409, ErrorCode::MerchantPrivatePostInstancesAlreadyExists);
    // Added on the command line, without a password.
    assert!(storage.run(&["instance", "add", "cafe", "--name", "Café"]).success);
    add("cafe", "Café", "right")
        .expect_error(409, ErrorCode::MerchantPrivatePostInstancesAlreadyExists);
    assert_eq!(server.log_in("shop", "right", r#"{"scope": "all"}"#).status, 200);
}

fn malformed_instances_are_refused(storage: &Storage) {
    let (server, admin) = admin(storage);
    for (field, value, code, named) in [
        ("id", json!("a/b"), ErrorCode::GenericJsonInvalid, "id"),
        ("id", json!("x"), ErrorCode::GenericJsonInvalid, "id"),
        ("id", json!(1), ErrorCode::GenericJsonInvalid, "id"),
        ("id", json!(null), ErrorCode::GenericJsonInvalid, "id"),
        ("name", json!(""), ErrorCode::GenericJsonInvalid, "name"),
        ("name", json!("a\nb"), ErrorCode::GenericJsonInvalid, "name"),
        ("auth", json!(null), ErrorCode::GenericJsonInvalid, "auth"),
        ("auth", json!("token"), ErrorCode::MerchantPrivatePostInstancesBadAuth, "auth"),
        ("auth", json!({}), ErrorCode::MerchantPrivatePostInstancesBadAuth, "method"),
        (
            "auth",
            json!({ "method": "external" }),
            ErrorCode::MerchantPrivatePostInstancesBadAuth,
            "method",
        ),
        (
            "auth",
            json!({ "method": "token" }),
            ErrorCode::MerchantPrivatePostInstancesBadAuth,
            "password",
        ),
        (
            "auth",
            json!({ "method": "token", "password": "" }),
            ErrorCode::MerchantPrivatePostInstancesBadAuth,
            "password",
        ),
        (
            "auth",
            json!({ "method": "token", "password": ["right"] }),
            ErrorCode::MerchantPrivatePostInstancesBadAuth,
            "password",
        ),
    ] {
        let mut body = configuration("shop", "Shop", "right");
        body[field] = value;
        let refused = server.call("POST", INSTANCES, &admin, body.to_string());
        refused.expect_error(400, code);
        assert_eq!(refused.json()["field"], named, "{}", refused.body);
        assert!(!refused.body.contains("right"), "{}", refused.body);
    }
    server.call("POST", INSTANCES, &admin, "{").expect_error(400, ErrorCode::GenericJsonInvalid);
    server
        .call("POST", INSTANCES, &admin, " ".repeat(2 << 20))
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
    assert_eq!(storage.run(&["instance", "list"]).stdout, "admin\tadmin\n");
}

fn instances_are_listed_and_shown(storage: &Storage) {
    let (server, admin) = admin(storage);
    let shop = storage.token("shop", "readonly", "forever");
    let entry = |id: &str| {
        json!({
            "id": id, "name": id, "merchant_pub": "", "payment_targets": [], "deleted": false,
        })
    };
    let listed = json(&server.call("GET", INSTANCES, &admin, ""));
    assert_eq!(listed, json!({ "instances": [entry("admin"), entry("shop")] }));
    let shown = json!({
        "name": "shop",
        "merchant_pub": "",
        "address": {},
        "jurisdiction": {},
        "use_stefan": false,
        "default_pay_delay": { "d_us": 0 },
        "default_refund_delay": { "d_us": 0 },
        "default_wire_transfer_delay": { "d_us": 0 },
        "auth": { "method": "token" },
    });
    for (path, token) in
        [("/instances/shop/private", &shop), ("/management/instances/shop", &admin)]
    {
        assert_eq!(json(&server.call("GET", path, token, "")), shown, "{path}");
        assert_eq!(server.call("HEAD", path, token, "").status, 200);
    }
    for path in ["/private", "/instances/admin/private", "/management/instances/admin"] {
        assert_eq!(json(&server.call("GET", path, &admin, ""))["name"], "admin", "{path}");
    }
    assert_eq!(server.call("HEAD", INSTANCES, &admin, "").status, 200);
    for id in ["nobody", "x", "%ff"] {
        for method in ["GET", "PATCH", "DELETE"] {
            server
                .call(method, &format!("{INSTANCES}/{id}"), &admin, "{}")
                .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
        }
    }
    let orders = storage.token("shop", "order-full", "forever");
    let refused = server.call("GET", "/instances/shop/private", &orders, "");
    refused.expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    assert_eq!(refused.json()["detail"], "instances-read");
}

fn an_instance_is_renamed(storage: &Storage) {
    let (server, admin) = admin(storage);
    let shop = storage.token("shop", "all", "forever");
    let name = || {
        let shown = json(&server.call("GET", "/instances/shop/private", &shop, ""));
        shown["name"].as_str().unwrap().to_owned()
    };
    for (path, token, new) in [
        ("/instances/shop/private", &shop, "Shop"),
        ("/management/instances/shop", &admin, "Käse & mehr"),
    ] {
        let body = json!({ "name": new, "auth": 1, "address": {}, "use_stefan": false });
        server.call("PATCH", path, token, body.to_string()).expect_stored();
        assert_eq!(name(), new);
        for unchanged in ["{}", r#"{"name": null}"#] {
            server.call("PATCH", path, token, unchanged).expect_stored();
            assert_eq!(name(), new);
        }
        for bad in [r#"{"name": ""}"#, r#"{"name": 1}"#, "[]"] {
            server.call("PATCH", path, token, bad).expect_error(400, ErrorCode::GenericJsonInvalid);
        }
        assert_eq!(name(), new);
    }
    let readonly = storage.token("cafe", "readonly", "forever");
    server
        .call("PATCH", "/instances/cafe/private", &readonly, "{}")
        .expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
}

fn settings_are_returned_as_they_were_written(storage: &Storage) {
    let (server, admin) = admin(storage);
    // Members and numbers as a client writes them; `null` counts as absent.
    let create = |settings: &str| {
        let auth = r#""auth": {"method": "token", "password": "right"}"#;
        let body = format!(r#"{{"id": "shop", "name": "Shop", {auth}{settings}}}"#);
        server.call("POST", INSTANCES, &admin, body)
    };
    let settings = r#","website":"https://example.com/\u00fc","address":{ "town": "Köln", "lines": ["1", null], "n": 1.50 },"email":null,"default_pay_delay":{"d_us":"forever"},"unknown":1"#;
    create(settings).expect_stored();
    let reordered = r#","default_pay_delay":{"d_us":"forever"},"address":{"n":1.5,"lines":["1",null],"town":"K\u00f6ln","street":null},"website":"https://example.com/ü","logo":null"#;
    create(reordered).expect_stored();
    for other in
        ["", r#","website":"https://example.com""#, &format!(r#"{settings},"use_stefan":true"#)]
    {
        create(other).expect_error(409, ErrorCode::MerchantPrivatePostInstancesAlreadyExists);
    }
    let shop = token(&server.log_in("shop", "right", ALL));
    let settings_now = || server.call("GET", "/instances/shop/private", &shop, "").body;
    let written = r#""website":"https://example.com/\u00fc","address":{ "town": "Köln", "lines": ["1", null], "n": 1.50 },"default_pay_delay":{"d_us":"forever"}"#;
    assert!(settings_now().contains(written), "{}", settings_now());
    assert!(
        !settings_now().contains("unknown") && !settings_now().contains("email"),
        "{}",
        settings_now()
    );
    assert!(settings_now().contains(r#""jurisdiction":{}"#), "{}", settings_now());

    // A change replaces what it names.
    let change = |body: &str| server.call("PATCH", "/instances/shop/private", &shop, body);
    change(r#"{"address": {"town":"Bonn"}, "use_stefan": true, "website": null}"#).expect_stored();
    let changed = r#""website":"https://example.com/\u00fc","address":{"town":"Bonn"},"default_pay_delay":{"d_us":"forever"},"use_stefan":true"#;
    assert!(settings_now().contains(changed), "{}", settings_now());
    let long = format!(r#"{{"logo": "{}"}}"#, "x".repeat(65_536));
    change(&long).expect_error(400, ErrorCode::GenericJsonInvalid);
    assert!(settings_now().contains(changed), "{}", settings_now());
    let operations: Vec<_> =
        trail(storage, "shop", &[]).iter().map(|event| event["operation"].clone()).collect();
    assert!(operations.contains(&json!("instance.change")), "{operations:?}");
}

fn concurrent_changes_of_settings_all_take_effect(storage: &Storage) {
    let server = Server::start(storage);
    let shop = storage.token("shop", "all", "forever");
    let names = ["address", "jurisdiction", "email", "phone_number", "website", "logo"];
    thread::scope(|scope| {
        for name in names {
            let (server, shop) = (&server, &shop);
            scope.spawn(move || {
                let body = json!({ name: name }).to_string();
                server.call("PATCH", "/instances/shop/private", shop, body).expect_stored();
            });
        }
    });
    let shown = json(&server.call("GET", "/instances/shop/private", &shop, ""));
    for name in names {
        assert_eq!(shown[name], name);
    }
}

fn an_instance_is_deleted_and_purged(storage: &Storage) {
    let (server, admin) = admin(storage);
    storage.password("shop", "right");
    let shop = storage.token("shop", "all", "forever");
    server.post("shop", &shop, device("till").to_string()).expect_stored();
    let managed = |method: &str, tail: &str, body: &str| {
        server.call(method, &format!("{INSTANCES}/shop{tail}"), &admin, body)
    };
    let auth = r#"{"method": "token", "password": "new"}"#;
    managed("POST", "/auth", auth).expect_stored();
    assert_eq!(server.log_in("shop", "new", r#"{"scope": "all"}"#).status, 200);
    for purge in ["", "maybe", "YES%20", "1"] {
        let refused = managed("DELETE", &format!("?purge={purge}"), "");
        refused.expect_error(400, ErrorCode::GenericParameterMalformed);
        assert_eq!(refused.json()["detail"], "purge");
    }
    managed("DELETE", "?purge=no", "").expect_stored();

    server
        .post("shop", &shop, device("till").to_string())
        .expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    server
        .log_in("shop", "new", r#"{"scope": "all"}"#)
        .expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    server
        .request("GET", "/instances/shop/config", &[], b"")
        .expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    server
        .call("GET", "/instances/shop/private", &shop, "")
        .expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    managed("GET", "", "").expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    managed("DELETE", "", "").expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    managed("POST", "/auth", auth).expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    managed("PATCH", "", r#"{"name": "x"}"#)
        .expect_error(409, ErrorCode::MerchantPrivatePatchInstancesPurgeRequired);
    managed("PATCH", "", "{}")
        .expect_error(409, ErrorCode::MerchantPrivatePatchInstancesPurgeRequired);
    let body = configuration("shop", "shop", "new").to_string();
    server
        .call("POST", INSTANCES, &admin, &body)
        .expect_error(409, ErrorCode::MerchantPrivatePostInstancesPurgeRequired);
    let listed = json(&server.call("GET", INSTANCES, &admin, ""));
    assert_eq!(listed["instances"][1]["id"], "shop");
    assert_eq!(listed["instances"][1]["deleted"], true);
    let on_command_line = storage.run(&["instance", "list"]).stdout;
    assert!(on_command_line.contains("shop\tshop\tdeleted\n"), "{on_command_line}");
    let token = ["token", "add", "--instance", "shop", "--scope", "all"];
    let failed = storage.run(&token);
    assert!(failed.stderr.contains("merchant-otp instance remove"), "{}", failed.stderr);

    managed("DELETE", "?purge=YES", "").expect_stored();
    managed("DELETE", "?purge=YES", "")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    server.call("POST", INSTANCES, &admin, &body).expect_stored();
    server
        .post("shop", &shop, device("till").to_string())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let shop = storage.token("shop", "all", "forever");
    let devices = json(&server.call("GET", "/instances/shop/private/otp-devices", &shop, ""));
    assert_eq!(devices, json!({ "otp_devices": [] }));
}

fn an_instance_deletes_itself(storage: &Storage) {
    let (server, _admin) = admin(storage);
    for (id, query, code) in [
        ("shop", "", ErrorCode::MerchantGenericInstanceDeleted),
        ("cafe", "?purge=yes", ErrorCode::MerchantGenericInstanceUnknown),
    ] {
        let token = storage.token(id, "all", "forever");
        let path = format!("/instances/{id}/private{query}");
        let readonly = storage.token(id, "readonly", "forever");
        server
            .call("DELETE", &path, &readonly, "")
            .expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
        server.call("DELETE", &path, &token, "").expect_stored();
        server.call("DELETE", &path, &token, "").expect_error(404, code);
    }
    assert_eq!(storage.run(&["instance", "list"]).stdout, "admin\tadmin\nshop\tshop\tdeleted\n");
    // A client may resolve `DELETE …/otp-devices/..` to this path, which deletes nothing.
    let token = storage.token("kept", "all", "forever");
    server
        .call("DELETE", "/instances/kept/private/", &token, "")
        .expect_error(404, ErrorCode::GenericEndpointUnknown);
}

fn only_admin_manages_instances(storage: &Storage) {
    let (server, _admin) = admin(storage);
    let shop = storage.token("shop", "all", "forever");
    let readonly = storage.token("admin", "readonly", "forever");
    let orders = storage.token("admin", "order-full", "forever");
    let one = format!("{INSTANCES}/shop");
    for (method, path, reading) in [
        ("GET", INSTANCES.to_owned(), true),
        ("POST", INSTANCES.to_owned(), false),
        ("GET", one.clone(), true),
        ("PATCH", one.clone(), false),
        ("DELETE", one.clone(), false),
        ("POST", format!("{one}/auth"), false),
        // Also with a percent-encoded path.
        ("DELETE", one.replace("management", "%6danagement"), false),
    ] {
        server
            .request(method, &path, &[], b"{}")
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        server
            .call(method, &path, &shop, "{}")
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        server
            .call(method, &path, &orders, "{}")
            .expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
        let with_readonly = server.call(method, &path, &readonly, "{}").status;
        assert_eq!(with_readonly, if reading { 200 } else { 403 }, "{method} {path}");
    }
    assert_eq!(server.call("GET", "/instances/shop/private", &shop, "").status, 200);
}

fn faults_of_management_have_their_codes(storage: &Storage) {
    let (server, admin) = admin(storage);
    let _token = storage.token("shop", "all", "forever");
    let one = format!("{INSTANCES}/shop");
    let (fault, repair) = match storage.kind() {
        StorageKind::Sqlite(_) => (
            "CREATE TRIGGER a BEFORE INSERT ON instances BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER b BEFORE UPDATE ON instances BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER c BEFORE DELETE ON instances BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER a; DROP TRIGGER b; DROP TRIGGER c",
        ),
        StorageKind::Postgres(_) => (
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE TRIGGER fault BEFORE INSERT OR UPDATE OR DELETE ON instances
             FOR EACH ROW EXECUTE FUNCTION fault()",
            "DROP TRIGGER fault ON instances",
        ),
    };
    let body = configuration("new", "New", "right").to_string();
    let requests = || {
        [
            server.call("POST", INSTANCES, &admin, &body),
            server.call("PATCH", &one, &admin, r#"{"name": "new"}"#),
            server.call(
                "POST",
                &format!("{one}/auth"),
                &admin,
                r#"{"method":"token","password":"p"}"#,
            ),
            server.call("DELETE", &one, &admin, ""),
            server.call("DELETE", &format!("{one}?purge=YES"), &admin, ""),
        ]
    };
    storage.execute(fault);
    for reply in requests() {
        reply.expect_error(500, ErrorCode::GenericDbStoreFailed);
    }
    storage.execute(repair);
    for reply in requests() {
        reply.expect_stored();
    }
}

fn an_instance_is_created_at_the_path_of_self_provisioning(storage: &Storage) {
    let (server, admin) = admin(storage);
    let shop = storage.token("shop", "all", "forever");
    let readonly = storage.token("admin", "readonly", "forever");
    let body = configuration("cafe", "Café", "right").to_string();
    for token in [&shop, &readonly, UNKNOWN_TOKEN] {
        let refused = server.call("POST", "/instances", token, &body);
        refused.expect_error(403, ErrorCode::MerchantGenericUnauthorized);
    }
    server
        .request("POST", "/instances", &[], body.as_bytes())
        .expect_error(403, ErrorCode::MerchantGenericUnauthorized);
    server.call("POST", "/instances", &admin, &body).expect_stored();
    server.call("POST", "/management/instances", &admin, &body).expect_stored();
    let other = configuration("cafe", "Another", "right").to_string();
    server
        .call("POST", "/instances", &admin, other)
        .expect_error(409, ErrorCode::MerchantPrivatePostInstancesAlreadyExists);
    assert_eq!(server.log_in("cafe", "right", ALL).status, 200);
}

/// Clients before protocol v19 send the password after the prefix of access tokens.
fn a_password_may_be_sent_as_a_token(storage: &Storage) {
    let (server, admin) = admin(storage);
    let mut body = configuration("shop", "Shop", "");
    body["auth"] = json!({ "method": "token", "token": "secret-token:old form" });
    server.call("POST", INSTANCES, &admin, body.to_string()).expect_stored();
    let token = token(&server.log_in("shop", "old form", ALL));
    for (auth, password) in [
        (json!({ "method": "token", "token": "Secret-Token:second" }), "second"),
        (json!({ "method": "token", "token": "secret-token:x", "password": "third" }), "third"),
    ] {
        server.call("POST", AUTH, &token, auth.to_string()).expect_stored();
        assert_eq!(server.log_in("shop", password, ALL).status, 200);
    }
    for auth in [
        json!({ "method": "token", "token": "without the prefix" }),
        json!({ "method": "token", "token": "secret-token:" }),
        json!({ "method": "token", "token": "éééééééééé" }),
        json!({ "method": "token", "token": 1 }),
        json!({ "method": "external" }),
    ] {
        let refused = server.call("POST", AUTH, &token, auth.to_string());
        refused.expect_error(400, ErrorCode::MerchantPrivatePostInstanceAuthBadAuth);
    }
}
