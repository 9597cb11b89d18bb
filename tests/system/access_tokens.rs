//! Access tokens: refreshed, listed and revoked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use merchant_otp_tests::{
    ALL, DEVICES, ErrorCode, Server, Storage, TOKEN, TOKENS, basic, json, now, shop, token,
    wait_until,
};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    a_live_thief_does_not_survive_a_revocation_of_all_tokens,
    a_thief_with_the_password_does_not_survive_a_new_password,
    a_cached_token_is_refused_at_once_by_the_process_that_revokes_it,
    a_refreshable_token_issues_tokens_within_its_scope,
    tokens_are_listed_page_by_page,
    a_token_is_revoked_by_its_serial,
    an_exchanged_token_lives_no_longer_than_the_presented_one,
    no_more_tokens_than_permitted_are_issued,
}

fn an_exchanged_token_lives_no_longer_than_the_presented_one(storage: &Storage) {
    let server = shop(storage);
    let lifetime = |credential: &str, asked: &str| {
        let body =
            format!(r#"{{"scope": "readonly:refreshable", "duration": {{"d_us": {asked}}}}}"#);
        let reply = if credential.is_empty() {
            server.log_in("shop", "right", body)
        } else {
            server.call("POST", TOKEN, credential, body)
        };
        let end = json(&reply)["expiration"]["t_s"].clone();
        (token(&reply), end.as_u64().map(|end| end - now()))
    };
    let near = |seconds: Option<u64>, expected: u64| {
        assert!(seconds.is_some_and(|s| s.abs_diff(expected) < 10), "{seconds:?} {expected}");
    };
    let (hour, seconds) = lifetime("", "3600000000");
    near(seconds, 3600);
    let (again, seconds) = lifetime(&hour, "\"forever\"");
    near(seconds, 3600);
    near(lifetime(&again, "7200000000").1, 3600);
    let (minute, seconds) = lifetime(&again, "60000000");
    near(seconds, 60);
    near(lifetime(&minute, "3600000000").1, 60);
    let (forever, seconds) = lifetime("", "\"forever\"");
    assert_eq!(seconds, None);
    assert_eq!(lifetime(&forever, "\"forever\"").1, None);
}

fn no_more_tokens_than_permitted_are_issued(storage: &Storage) {
    drop(shop(storage));
    let server = Server::start_with(storage, &[("SECURITY__MAX_ACCESS_TOKENS", "3")]);
    let log_in = || server.log_in("shop", "right", r#"{"scope": "readonly:refreshable"}"#);
    let (first, _, _) = (token(&log_in()), token(&log_in()), token(&log_in()));
    for refused in [log_in(), server.call("POST", TOKEN, &first, r#"{"scope": "readonly"}"#)] {
        refused.expect_error(403, ErrorCode::GenericForbidden);
        assert_eq!(
            refused.json()["detail"],
            "the instance has 3 access tokens; revoke those that are not used"
        );
    }
    // The operator is not limited.
    let all = storage.token("shop", "all", "forever");
    for serial in [1, 2] {
        let path = format!("{TOKENS}/{serial}");
        assert_eq!(server.call("DELETE", &path, &all, "").status, 204);
    }
    let _room = token(&log_in());
    log_in().expect_error(403, ErrorCode::GenericForbidden);
}

fn a_refreshable_token_issues_tokens_within_its_scope(storage: &Storage) {
    let server = shop(storage);
    let pos = token(&server.log_in("shop", "right", r#"{"scope": "order-pos:refreshable"}"#));
    let refreshed = server.call("POST", TOKEN, &pos, r#"{"scope": "order-simple"}"#);
    assert_eq!(json(&refreshed)["scope"], "order-simple");
    let again = server.call("POST", TOKEN, &pos, r#"{"scope": "order-pos:refreshable"}"#);
    let again = token(&again);
    assert_eq!(server.call("POST", TOKEN, &again, r#"{"scope": "order-pos"}"#).status, 200);
    for scope in ["all", "write", "readonly", "order-mgmt", "order-full"] {
        let body = json!({ "scope": scope }).to_string();
        server
            .call("POST", TOKEN, &pos, body)
            .expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    }
    let once = token(&refreshed);
    let refused = server.call("POST", TOKEN, &once, r#"{"scope": "order-simple"}"#);
    refused.expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    assert_eq!(refused.json()["detail"], "token-refresh");
    let foreign = storage.token("other", "all:refreshable", "forever");
    server
        .call("POST", TOKEN, &foreign, ALL)
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server
        .call("POST", "/instances/nobody/private/token", &foreign, ALL)
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
}

/// In the process that revoked the token, and in every other one.
#[test]
fn a_log_out_is_effective_in_every_process() {
    let storage = Storage::postgres();
    let server = shop(&storage);
    let second = Server::start(&storage);
    let token = token(&server.log_in("shop", "right", r#"{"scope": "order-simple"}"#));
    for server in [&server, &second] {
        server
            .call("GET", DEVICES, &token, "")
            .expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    }
    server.call("DELETE", TOKEN, &token, "").expect_stored();
    for server in [&server, &second] {
        server
            .call("GET", DEVICES, &token, "")
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        server
            .call("DELETE", TOKEN, &token, "")
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    }
    server
        .request("DELETE", TOKEN, &[], b"")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let headers = [("Authorization", &*basic("shop", "right"))];
    server
        .request("DELETE", TOKEN, &headers, b"")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server
        .call("DELETE", "/instances/nobody/private/token", &token, "")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
}

fn tokens_are_listed_page_by_page(storage: &Storage) {
    let server = shop(storage);
    let foreign = storage.token("other", "all", "forever");
    let first = storage.token("shop", "all", "forever");
    for number in 0..24 {
        let description = if number == 23 { "" } else { "Büro" };
        let body = json!({ "scope": "readonly:refreshable", "description": description });
        let _issued = json(&server.log_in("shop", "right", body.to_string()));
    }
    let list = |query: &str| {
        let listed = json(&server.call("GET", &format!("{TOKENS}{query}"), &first, ""));
        let tokens = listed["tokens"].as_array().unwrap().clone();
        (tokens.iter().map(|token| token["serial"].as_i64().unwrap()).collect::<Vec<_>>(), tokens)
    };
    let (serials, tokens) = list("?limit=1000");
    assert_eq!(serials.len(), 25);
    assert!(serials.is_sorted());
    assert_eq!(tokens[0]["scope"], "all");
    assert_eq!(tokens[0]["refreshable"], false);
    assert_eq!(tokens[0]["expiration"]["t_s"], "never");
    assert_eq!(tokens[1]["scope"], "readonly");
    assert_eq!(tokens[1]["refreshable"], true);
    assert_eq!(tokens[1]["description"], "Büro");
    assert_eq!(tokens[24].get("description"), None);
    let (created, end) = (&tokens[1]["creation_time"]["t_s"], &tokens[1]["expiration"]["t_s"]);
    assert_eq!(created.as_u64().unwrap() + 86_400, end.as_u64().unwrap());
    assert!(!format!("{tokens:?}").contains("secret-token"));

    let newest: Vec<_> = serials.iter().rev().copied().collect();
    assert_eq!(list("").0, newest[..20]);
    assert_eq!(list("?limit=-3").0, newest[..3]);
    assert_eq!(list(&format!("?limit=-3&offset={}", newest[2])).0, newest[3..6]);
    assert_eq!(list(&format!("?offset={}", newest[19])).0, newest[20..]);
    assert_eq!(list(&format!("?limit=3&offset={}", serials[2])).0, serials[3..6]);
    assert_eq!(list("?limit=-9223372036854775808&offset=18446744073709551615").0, newest);
    assert_eq!(list("?limit=%203&unknown=x").0, serials[..3]);
    for query in ["?offset=0", "?limit=0", "?limit=1&offset=9223372036854775807"] {
        server.call("GET", &format!("{TOKENS}{query}"), &first, "").expect_stored();
    }
    for (query, name) in [
        ("?limit=x", "limit"),
        ("?limit=", "limit"),
        ("?limit=9223372036854775808", "limit"),
        ("?limit=1.5", "limit"),
        ("?offset=-1", "offset"),
        ("?offset=%2B1", "offset"),
        ("?limit=5&offset=18446744073709551616", "offset"),
    ] {
        let refused = server.call("GET", &format!("{TOKENS}{query}"), &first, "");
        refused.expect_error(400, ErrorCode::GenericParameterMalformed);
        assert_eq!(refused.json()["detail"], name, "{query}");
    }
    server
        .call("GET", TOKENS, &foreign, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server
        .call("GET", "/instances/nobody/private/tokens", &first, "")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    let readonly = storage.token("shop", "readonly", "forever");
    assert_eq!(server.call("GET", TOKENS, &readonly, "").status, 200);
    assert_eq!(server.call("HEAD", TOKENS, &readonly, "").status, 200);
    let orders = storage.token("shop", "order-full", "forever");
    let refused = server.call("GET", TOKENS, &orders, "");
    refused.expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    assert_eq!(refused.json()["detail"], "tokens-read");
}

fn a_token_is_revoked_by_its_serial(storage: &Storage) {
    let server = shop(storage);
    let keeper = storage.token("shop", "all", "forever");
    let foreign = storage.token("other", "all", "forever");
    let revoked = storage.token("shop", "all", "forever");
    let listed = json(&server.call("GET", &format!("{TOKENS}?limit=-1"), &keeper, ""));
    let serial = listed["tokens"][0]["serial"].as_i64().unwrap();
    let revoke =
        |token: &str, serial: &str| server.call("DELETE", &format!("{TOKENS}/{serial}"), token, "");
    let serial = serial.to_string();
    revoke(&foreign, &serial).expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let readonly = storage.token("shop", "readonly", "forever");
    revoke(&readonly, &serial).expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    let others = format!("/instances/other/private/tokens/{serial}");
    server
        .call("DELETE", &others, &foreign, "")
        .expect_error(404, ErrorCode::MerchantGenericAccessTokenUnknown);
    assert_eq!(server.call("GET", DEVICES, &revoked, "").status, 200);
    revoke(&keeper, &serial).expect_stored();
    server
        .call("GET", DEVICES, &revoked, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    revoke(&keeper, &serial).expect_error(404, ErrorCode::MerchantGenericAccessTokenUnknown);
    for bad in ["x", "0", "-1", "9223372036854775808", "1.0", "%ff"] {
        let refused = revoke(&keeper, bad);
        refused.expect_error(400, ErrorCode::GenericParameterMalformed);
        assert_eq!(refused.json()["detail"], "serial", "{bad}");
    }
    assert_eq!(server.call("GET", DEVICES, &keeper, "").status, 200);
}

fn a_cached_token_is_refused_at_once_by_the_process_that_revokes_it(storage: &Storage) {
    let server = Server::start_with(storage, &[("STORAGE__TOKEN_CACHE", "1000")]);
    let token = storage.token("shop", "all", "forever");
    for number in 0..3 {
        server.post("shop", &token, device(&format!("till {number}")).to_string()).expect_stored();
    }
    server.call("DELETE", "/instances/shop/private/token", &token, "").expect_stored();
    server
        .post("shop", &token, device("other").to_string())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

/// Thieves that exchange a refreshable token without a pause, on some connections.
struct Thieves<'a> {
    server: &'a Server,
    stop: AtomicBool,
    exchanges: AtomicU32,
}

impl Thieves<'_> {
    /// Exchanges the newest token until stopped; returns all tokens.
    fn exchange(&self, first: &str) -> Vec<String> {
        let mut stolen = vec![first.to_owned()];
        while !self.stop.load(Ordering::Relaxed) {
            let newest = stolen.last().unwrap();
            let reply = self.server.call("POST", TOKEN, newest, r#"{"scope": "all:refreshable"}"#);
            if reply.status != 200 {
                break;
            }
            self.exchanges.fetch_add(1, Ordering::Relaxed);
            stolen.push(token(&reply));
        }
        stolen
    }
}

fn a_live_thief_does_not_survive_a_revocation_of_all_tokens(storage: &Storage) {
    let server = shop(storage);
    for (connections, command) in [
        (1, &["token", "revoke", "--instance", "shop", "--all"][..]),
        (2, &["token", "revoke", "--instance", "shop", "--all"]),
        (8, &["token", "revoke", "--instance", "shop", "--all"]),
        (8, &["instance", "set-password", "shop", "--revoke-tokens"]),
    ] {
        let first = storage.token("shop", "all:refreshable", "forever");
        let thieves = Thieves {
            server: &server,
            stop: AtomicBool::default(),
            exchanges: AtomicU32::default(),
        };
        let stolen: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> =
                (0..connections).map(|_| scope.spawn(|| thieves.exchange(&first))).collect();
            wait_until("the thieves are at work", || {
                thieves.exchanges.load(Ordering::Relaxed) > 20
            });
            let revoked = storage.run_with_input(command, "right");
            assert!(revoked.success, "{}", revoked.stderr);
            let listed = json(&server.log_in("shop", "right", ALL));
            assert!(listed["access_token"].is_string());
            thieves.stop.store(true, Ordering::Relaxed);
            running.into_iter().flat_map(|thief| thief.join().unwrap()).collect()
        });
        assert!(stolen.len() > 20);
        for token in stolen {
            server
                .call("GET", DEVICES, &token, "")
                .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        }
    }
}

/// Log-ins with the old password are under way while it is changed.
fn a_thief_with_the_password_does_not_survive_a_new_password(storage: &Storage) {
    let server = shop(storage);
    for round in 0..3 {
        let (old, new) = (format!("password-{round}"), format!("password-{}", round + 1));
        let set = |password: &str, more: &[&str]| {
            let command = [&["instance", "set-password", "shop"], more].concat();
            let set = storage.run_with_input(&command, password);
            assert!(set.success, "{}", set.stderr);
        };
        set(&old, &[]);
        let (stop, stolen) = (AtomicBool::default(), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..2 {
                let (server, old, stop, stolen) = (&server, &old, &stop, &stolen);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let reply = server.log_in("shop", old, ALL);
                        if reply.status == 200 {
                            stolen.lock().unwrap().push(token(&reply));
                        } else if reply.status == 401 {
                            break;
                        }
                    }
                });
            }
            wait_until("the thieves are at work", || stolen.lock().unwrap().len() > 2);
            set(&new, &["--revoke-tokens"]);
            stop.store(true, Ordering::Relaxed);
        });
        for token in stolen.into_inner().unwrap() {
            server
                .call("GET", DEVICES, &token, "")
                .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        }
    }
}
