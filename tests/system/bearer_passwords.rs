//! Passwords in place of access tokens.

use merchant_otp_tests::{
    ALL, AUTH, DEVICES, ErrorCode, Server, Storage, TOKEN, TOKENS, UNKNOWN_TOKEN, json, shop,
    token, trail,
};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    a_password_is_accepted_in_place_of_a_token,
    wrong_bearer_passwords_are_throttled_like_log_ins,
    a_bearer_password_is_forgotten_when_it_is_changed,
    a_setting_restricts_bearer_passwords,
}

fn a_password_is_accepted_in_place_of_a_token(storage: &Storage) {
    let server = shop(storage);
    let password = "secret-token:right";
    for authorization in
        ["Bearer secret-token:right", "secret-token:right", "bearer   SECRET-TOKEN:right"]
    {
        let headers = [("Authorization", authorization)];
        let listed = server.request("GET", DEVICES, &headers, b"");
        assert_eq!(listed.status, 200, "{authorization}: {}", listed.body);
        let issued = server.request("POST", TOKEN, &headers, br#"{"scope": "write"}"#);
        assert_eq!(json(&issued)["scope"], "write");
        assert_eq!(server.call("GET", DEVICES, &token(&issued), "").status, 200);
    }
    server.post("shop", password, device("till").to_string()).expect_stored();
    assert_eq!(server.call("GET", TOKENS, password, "").status, 200);
    // It has all permissions, and is no token that could be revoked.
    server
        .call("DELETE", TOKEN, password, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let last = trail(storage, "shop", &[]).pop().unwrap();
    assert_eq!(
        (&last["actor"], &last["operation"]),
        (&json!("password"), &json!("otp-device.add"))
    );
    // A password with characters that tokens do not have.
    storage.password("admin", "cheese & more: 100 %");
    let listed =
        server.call("GET", "/management/instances", "secret-token:cheese & more: 100 %", "");
    assert_eq!(listed.status, 200, "{}", listed.body);
    // That of another instance.
    server
        .call("GET", "/management/instances", password, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

fn wrong_bearer_passwords_are_throttled_like_log_ins(storage: &Storage) {
    let server = shop(storage);
    for number in 0..10 {
        let (path, method) = if number % 2 == 0 { (DEVICES, "GET") } else { (TOKEN, "POST") };
        server
            .call(method, path, &format!("secret-token:wrong-{number}"), ALL)
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    }
    let throttled = server.call("GET", DEVICES, "secret-token:right", "");
    throttled.expect_error(429, ErrorCode::MerchantGenericUnauthorized);
    server.log_in("shop", "right", ALL).expect_error(429, ErrorCode::MerchantGenericUnauthorized);
    // A token is never tried as a password, and is not throttled.
    for _ in 0..20 {
        server
            .call("GET", DEVICES, UNKNOWN_TOKEN, "")
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    }
    let refused = trail(storage, "shop", &[]);
    let refused = refused.iter().filter(|event| event["operation"] == "instance.log-in");
    assert_eq!(refused.filter(|event| event["outcome"] == "unauthorized").count(), 10);
}

/// A remembered password is void as soon as it is changed, in this process and in another one, and
/// as soon as the instance is another one.
fn a_bearer_password_is_forgotten_when_it_is_changed(storage: &Storage) {
    let server = shop(storage);
    let status = |password: &str| {
        server.call("GET", DEVICES, &format!("secret-token:{password}"), "").status
    };
    assert_eq!(status("right"), 200);
    let all = token(&server.log_in("shop", "right", ALL));
    let body = json!({ "method": "token", "password": "second" }).to_string();
    server.call("POST", AUTH, &all, body).expect_stored();
    assert_eq!((status("right"), status("second")), (401, 200));
    let set = storage.run_with_input(&["instance", "set-password", "shop"], "third");
    assert!(set.success, "{}", set.stderr);
    assert_eq!((status("second"), status("third")), (401, 200));
    assert!(storage.run(&["instance", "remove", "shop"]).success);
    assert_eq!(status("third"), 404);
    storage.password("shop", "fourth");
    assert_eq!((status("third"), status("fourth")), (401, 200));
}

fn a_setting_restricts_bearer_passwords(storage: &Storage) {
    storage.password("shop", "right");
    for (setting, at_log_in, elsewhere) in
        [("everywhere", 200, 200), ("log-in", 200, 401), ("off", 401, 401)]
    {
        let server = Server::start_with(storage, &[("SECURITY__PASSWORD_AS_TOKEN", setting)]);
        let password = "secret-token:right";
        assert_eq!(server.call("POST", TOKEN, password, ALL).status, at_log_in, "{setting}");
        assert_eq!(server.call("GET", DEVICES, password, "").status, elsewhere, "{setting}");
    }
}
