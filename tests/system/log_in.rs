//! Log-in with a password: tokens, throttling, and changes of the password.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use merchant_otp_tests::{
    ALL, AUTH, DEVICES, ErrorCode, Server, Storage, StorageKind, TOKEN, TOKENS, UNKNOWN_TOKEN,
    basic, json, now, shop, token,
};
use serde_json::{Value, json};

use crate::{device, on_both_databases};

on_both_databases! {
    a_password_issues_a_token,
    a_token_has_the_requested_scope_and_duration,
    malformed_token_requests_are_refused,
    wrong_passwords_are_refused_alike,
    failed_log_ins_are_throttled_per_instance_and_address,
    a_flood_of_log_ins_does_not_block_other_requests,
    one_instance_cannot_use_up_the_hashing_permits,
    the_password_is_changed,
    the_old_password_is_checked,
    the_password_is_set_on_the_command_line,
    faults_of_log_in_have_their_codes,
}

fn a_password_issues_a_token(storage: &Storage) {
    let server = shop(storage);
    let before = now();
    let reply = server.log_in("shop", "right", r#"{"scope": "all", "duration": null}"#);
    assert_eq!(reply.header("Cache-Control"), Some("no-store"));
    let issued = json(&reply);
    let token = issued["access_token"].as_str().unwrap();
    assert!(token.starts_with("secret-token:"));
    assert_eq!(issued["token"], token);
    assert_eq!(issued["scope"], "all");
    assert_eq!(issued["refreshable"], false);
    let day = 24 * 60 * 60;
    let expiration = issued["expiration"]["t_s"].as_u64().unwrap();
    assert!((before + day..=now() + day).contains(&expiration), "{expiration}");
    server.post("shop", token, device("till").to_string()).expect_stored();
    assert_eq!(server.call("POST", TOKEN, token, ALL).status, 403);

    // The instance `admin`, by both of its paths.
    storage.password("admin", "of admin");
    for path in ["/private/token", "/instances/admin/private/token"] {
        let authorization = basic("admin", "of admin");
        let headers = [("Authorization", &*authorization)];
        let reply = server.request("POST", path, &headers, ALL.as_bytes());
        let listed = server.call("GET", "/private/otp-devices", &self::token(&reply), "");
        assert_eq!(listed.status, 200);
    }
}

fn a_token_has_the_requested_scope_and_duration(storage: &Storage) {
    let server = shop(storage);
    for (body, scope, refreshable, lifetime) in [
        (json!({ "scope": "readonly" }), "readonly", false, Some(86_400)),
        (
            json!({ "scope": "order-pos:refreshable", "duration": { "d_us": 60_000_000 } }),
            "order-pos",
            true,
            Some(60),
        ),
        (
            json!({ "scope": "write", "refreshable": true, "duration": { "d_us": "forever" } }),
            "write",
            true,
            None,
        ),
        (
            json!({ "scope": "all", "refreshable": false, "duration": { "d_us": 1 }, "x": [{}] }),
            "all",
            false,
            Some(1),
        ),
    ] {
        let before = now();
        let issued = json(&server.log_in("shop", "right", body.to_string()));
        assert_eq!(issued["scope"], scope);
        assert_eq!(issued["refreshable"], refreshable);
        match lifetime {
            None => assert_eq!(issued["expiration"]["t_s"], "never"),
            Some(seconds) => {
                let end = issued["expiration"]["t_s"].as_u64().unwrap();
                assert!((before + seconds..=now() + seconds).contains(&end), "{issued}");
            }
        }
    }
    let body = r#"{"scope": "all", "duration": {"d_us": 1000000}}"#;
    let short = token(&server.log_in("shop", "right", body));
    thread::sleep(Duration::from_millis(1_100));
    server
        .call("GET", DEVICES, &short, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

fn malformed_token_requests_are_refused(storage: &Storage) {
    let server = shop(storage);
    for (body, field) in [
        (json!({}), "scope"),
        (json!({ "scope": "root" }), "scope"),
        (json!({ "scope": ["all"] }), "scope"),
        (json!({ "scope": null }), "scope"),
        (json!({ "scope": "all", "duration": 60 }), "duration"),
        (json!({ "scope": "all", "duration": {} }), "d_us"),
        (json!({ "scope": "all", "duration": { "d_us": -1 } }), "d_us"),
        (json!({ "scope": "all", "duration": { "d_us": "never" } }), "d_us"),
        (json!({ "scope": "all", "refreshable": "yes" }), "refreshable"),
        (json!({ "scope": "all", "description": 1 }), "description"),
        (json!({ "scope": "all", "description": "d".repeat(1025) }), "description"),
    ] {
        let refused = server.log_in("shop", "right", body.to_string());
        let code = match field {
            "scope" | "duration" | "d_us" => ErrorCode::GenericParameterMalformed,
            _ => ErrorCode::GenericJsonInvalid,
        };
        refused.expect_error(400, code);
        assert_eq!(refused.json()["field"], field, "{body}");
    }
    server.log_in("shop", "right", "[]").expect_error(400, ErrorCode::GenericJsonInvalid);
    // The limit is lower than for other requests: the body is read before the password is checked.
    let padded = |length| json!({ "scope": "all", "x": "x".repeat(length) }).to_string();
    server
        .log_in("shop", "wrong", padded(17_000))
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
    assert_eq!(server.log_in("shop", "right", padded(15_000)).status, 200);
    // The refused requests issued no token.
    let token = storage.token("shop", "all", "forever");
    let listed = json(&server.call("GET", TOKENS, &token, ""));
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 2);
}

fn wrong_passwords_are_refused_alike(storage: &Storage) {
    let server = shop(storage);
    storage.password("other", "of other");
    let _without_password = storage.token("bare", "all", "forever");
    let attempt = |instance: &str, authorization: &str| {
        let path = format!("/instances/{instance}/private/token");
        let start = Instant::now();
        let headers = [("Authorization", authorization)];
        let reply = server.request("POST", &path, &headers, ALL.as_bytes());
        (reply, start.elapsed())
    };
    // Both hash, so both take about as long: a refusal without hashing is a hundred times faster.
    let (wrong, wrong_took) = attempt("shop", &basic("shop", "wrong"));
    let (bare, bare_took) = attempt("bare", &basic("bare", "wrong"));
    assert_eq!((wrong.status, &wrong.body), (401, &bare.body));
    assert!(bare_took * 10 > wrong_took, "{bare_took:?} and {wrong_took:?}");
    for authorization in [
        basic("other", "right"),
        basic("other", "of other"),
        basic("Shop", "right"),
        basic("", "right"),
        basic("shop", "RIGHT"),
    ] {
        let (refused, _) = attempt("shop", &authorization);
        refused.expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        assert_eq!(refused.body, wrong.body, "{authorization}");
    }
    for (authorization, detail) in [
        (basic("shop", ""), "a password has 1 to 1024 bytes"),
        ("Basic ?".to_owned(), "the scheme Basic must be followed by `user:password` in Base64"),
        (
            basic("shop", "right").replace("Basic ", "Bearer "),
            "the header Authorization must be of the form `Bearer secret-token:…`",
        ),
    ] {
        let (refused, _) = attempt("shop", &authorization);
        refused.expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        assert_eq!(refused.json()["detail"], detail);
    }
    server
        .request("POST", TOKEN, &[], ALL.as_bytes())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server
        .log_in("nobody", "right", ALL)
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    // A password is accepted only for log-in.
    let headers = [("Authorization", &*basic("shop", "right"))];
    server
        .request("GET", DEVICES, &headers, b"")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

fn failed_log_ins_are_throttled_per_instance_and_address(storage: &Storage) {
    let server = Server::start_with(storage, &[("HTTP__BEHIND_PROXY", "true")]);
    for instance in ["shop", "other"] {
        storage.password(instance, "right");
    }
    let attempt = |instance: &str, password: &str, host: &str| {
        let path = format!("/instances/{instance}/private/token");
        // Addresses that the client sends come before the one that the proxy adds.
        let forwarded = format!("203.0.113.{}, {host}", password.len());
        let authorization = basic(instance, password);
        let headers = [("Authorization", &*authorization), ("X-Forwarded-For", &forwarded)];
        server.request("POST", &path, &headers, ALL.as_bytes())
    };
    for number in 0..10 {
        attempt("shop", &"x".repeat(number + 1), "192.0.2.1")
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    }
    // This address is throttled, even with the right password, and on all instances.
    for (instance, password) in [("shop", "wrong"), ("shop", "right"), ("other", "right")] {
        let slowed = attempt(instance, password, "192.0.2.1");
        slowed.expect_error(429, ErrorCode::MerchantGenericUnauthorized);
        let seconds: u64 = slowed.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=12).contains(&seconds), "{seconds}");
    }
    // Other addresses are not throttled, and successful log-ins do not count.
    for _ in 0..15 {
        assert_eq!(attempt("shop", "right", "192.0.2.2").status, 200);
    }
    let mut failed = 0;
    while attempt("shop", "wrong", &format!("192.0.2.{}", 10 + failed)).status == 401 {
        failed += 1;
        assert!(failed <= 30, "an instance is not slowed");
    }
    // The instance is throttled for all but known clients; its tokens and other instances still
    // work.
    attempt("shop", "right", "192.0.2.3").expect_error(429, ErrorCode::MerchantGenericUnauthorized);
    assert_eq!(attempt("shop", "right", "192.0.2.2").status, 200);
    let token = storage.token("shop", "all", "forever");
    assert_eq!(server.call("GET", DEVICES, &token, "").status, 200);
    assert_eq!(attempt("other", "right", "192.0.2.3").status, 200);
}

/// During many concurrent log-ins, most of them refused, the service answers other requests and its
/// memory stays small.
fn a_flood_of_log_ins_does_not_block_other_requests(storage: &Storage) {
    let server = Server::start_with(storage, &[("HTTP__BEHIND_PROXY", "true")]);
    let instances: Vec<_> = (0..20).map(|number| format!("shop{number}")).collect();
    for instance in &instances {
        let _without_password = storage.token(instance, "all", "forever");
    }
    let token = storage.token("shop", "all", "forever");
    let before = server.peak_memory();
    let slowest = thread::scope(|scope| {
        let flood: Vec<_> = (0..100_u8)
            .map(|client| {
                let (server, instances) = (&server, &instances);
                scope.spawn(move || {
                    let forwarded = format!("192.0.2.{client}");
                    for instance in instances.iter().cycle().skip(client.into()).take(3) {
                        let path = format!("/instances/{instance}/private/token");
                        let authorization = basic(instance, "wrong");
                        let headers =
                            [("Authorization", &*authorization), ("X-Forwarded-For", &forwarded)];
                        let reply = server.request("POST", &path, &headers, ALL.as_bytes());
                        assert!([401, 429].contains(&reply.status), "{}", reply.body);
                    }
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        while flood.iter().any(|client| !client.is_finished()) {
            let start = Instant::now();
            assert_eq!(server.call("GET", DEVICES, &token, "").status, 200);
            slowest = slowest.max(start.elapsed());
        }
        slowest
    });
    assert!(slowest < Duration::from_secs(3), "an answer took {slowest:?} meanwhile");
    let grown = server.peak_memory() - before;
    // Two hashes at a time take 46 MiB each; a hundred would take 4.6 GB.
    assert!(grown < 120 * 1024, "it took {grown} KiB of memory");
}

/// Successful log-ins are not throttled, but share the hashing permits.
fn one_instance_cannot_use_up_the_hashing_permits(storage: &Storage) {
    let server = shop(storage);
    storage.password("greedy", "right");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // If all were queued, they would take longer than a client waits.
        let greedy: Vec<_> = (0..300)
            .map(|_| {
                let (server, done) = (&server, &done);
                scope.spawn(move || {
                    let mut good = 0;
                    while !done.load(Ordering::Relaxed) {
                        let reply = server.log_in("greedy", "right", ALL);
                        assert!([200, 429].contains(&reply.status), "{}", reply.body);
                        good += u32::from(reply.status == 200);
                        if reply.status == 429 {
                            thread::sleep(Duration::from_millis(100));
                        }
                    }
                    good
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        let replies: Vec<_> = (0..5).map(|_| server.log_in("shop", "right", ALL)).collect();
        done.store(true, Ordering::Relaxed);
        for reply in replies {
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
        assert!(greedy.into_iter().map(|client| client.join().unwrap()).sum::<u32>() > 5);
    });
}

fn the_password_is_changed(storage: &Storage) {
    let server = shop(storage);
    let all = token(&server.log_in("shop", "right", ALL));
    let readonly = token(&server.log_in("shop", "right", r#"{"scope": "readonly"}"#));
    let change = |token: &str, body: Value| server.call("POST", AUTH, token, body.to_string());
    let new = json!({ "method": "token", "password": "nü:w" });
    let refused = change(&readonly, new.clone());
    refused.expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
    assert_eq!(refused.json()["detail"], "instances-auth-write");
    change(UNKNOWN_TOKEN, new.clone()).expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    for (body, field) in [
        (json!({}), "method"),
        (json!({ "method": "external" }), "method"),
        (json!({ "method": "Token", "password": "new" }), "method"),
        (json!({ "method": 1, "password": "new" }), "method"),
        (json!({ "method": "token" }), "password"),
        (json!({ "method": "token", "token": "new" }), "token"),
        (json!({ "method": "token", "password": "" }), "password"),
        (json!({ "method": "token", "password": ["new"] }), "password"),
        (json!({ "method": "token", "password": "p".repeat(1025) }), "password"),
    ] {
        let refused = change(&all, body.clone());
        refused.expect_error(400, ErrorCode::MerchantPrivatePostInstanceAuthBadAuth);
        assert_eq!(refused.json()["field"], field, "{body}");
    }
    server.call("POST", AUTH, &all, "[").expect_error(400, ErrorCode::GenericJsonInvalid);
    server
        .call("POST", AUTH, &all, "x".repeat(2 << 20))
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
    assert_eq!(server.log_in("shop", "right", ALL).status, 200);

    change(&all, new.clone()).expect_stored();
    change(&all, new).expect_stored();
    server.log_in("shop", "right", ALL).expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    assert_eq!(server.log_in("shop", "nü:w", ALL).status, 200);
    // Tokens remain valid when the password changes.
    assert_eq!(server.call("GET", DEVICES, &all, "").status, 200);
    server
        .call("POST", "/instances/nobody/private/auth", &all, "{}")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
}

fn the_password_is_set_on_the_command_line(storage: &Storage) {
    let server = Server::start(storage);
    storage.password("shop", "first\r\n");
    assert_eq!(server.log_in("shop", "first", ALL).status, 200);
    let set = ["instance", "set-password", "shop"];
    let second = storage.run_with_input(&set, " second \nrest");
    assert_eq!((second.success, &*second.stdout, &*second.stderr), (true, "", ""));
    assert_eq!(server.log_in("shop", " second ", ALL).status, 200);
    server.log_in("shop", "first", ALL).expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    for (arguments, input, message) in [
        (&set[..], "", "1 to 1024 bytes"),
        (&set, "\n", "1 to 1024 bytes"),
        (&set, &*"hunter2".repeat(200), "1 to 1024 bytes"),
        (&["instance", "set-password", "nobody"], "hunter2", "merchant-otp instance list"),
        (&["instance", "set-password", "shop", "hunter2"], "", "hunter2"),
    ] {
        let failed = storage.run_with_input(arguments, input);
        assert!(!failed.success);
        assert!(failed.stderr.contains(message), "{}", failed.stderr);
    }
    assert_eq!(server.log_in("shop", " second ", ALL).status, 200);
}

fn faults_of_log_in_have_their_codes(storage: &Storage) {
    let server = shop(storage);
    let all = storage.token("shop", "all:refreshable", "forever");
    let listed = json(&server.call("GET", TOKENS, &all, ""));
    let one = format!("{TOKENS}/{}", listed["tokens"][0]["serial"]);
    let (fault, repair) = match storage.kind() {
        StorageKind::Sqlite(_) => (
            "CREATE TRIGGER tokens BEFORE INSERT ON access_tokens
             BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER removal BEFORE DELETE ON access_tokens
             BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER passwords BEFORE UPDATE ON instances
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER tokens; DROP TRIGGER removal; DROP TRIGGER passwords",
        ),
        StorageKind::Postgres(_) => (
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE TRIGGER fault BEFORE INSERT OR DELETE ON access_tokens
             FOR EACH ROW EXECUTE FUNCTION fault();
             CREATE TRIGGER fault BEFORE UPDATE ON instances
             FOR EACH ROW EXECUTE FUNCTION fault()",
            "DROP TRIGGER fault ON access_tokens; DROP TRIGGER fault ON instances",
        ),
    };
    let auth = r#"{"method": "token", "password": "new"}"#;
    let requests = || {
        [
            server.log_in("shop", "right", ALL),
            server.call("POST", TOKEN, &all, ALL),
            server.call("POST", AUTH, &all, auth),
            server.call("DELETE", &one, &all, ""),
            server.call("DELETE", TOKEN, &all, ""),
        ]
    };
    storage.execute(fault);
    for reply in requests() {
        reply.expect_error(500, ErrorCode::GenericDbStoreFailed);
    }
    storage.execute(repair);
    storage.execute("ALTER TABLE access_tokens RENAME TO elsewhere");
    server.call("GET", TOKENS, &all, "").expect_error(500, ErrorCode::GenericDbFetchFailed);
    storage.execute("ALTER TABLE elsewhere RENAME TO access_tokens");
    // Nothing was changed, and the log-in that the database failed did not count as a guess.
    assert_eq!(server.log_in("shop", "right", ALL).status, 200);
    assert_eq!(server.call("POST", TOKEN, &all, ALL).status, 200);
    server.call("DELETE", TOKEN, &all, "").expect_stored();
}

fn the_old_password_is_checked(storage: &Storage) {
    storage.password("shop", "right");
    let server = Server::start(storage);
    let all = token(&server.log_in("shop", "right", ALL));
    let change = |server: &Server, password: &str, old: Value| {
        let body = json!({ "method": "token", "password": password, "old_password": old });
        server.call("POST", AUTH, &all, body.to_string())
    };
    change(&server, "second", json!("wrong"))
        .expect_error(401, ErrorCode::MerchantPrivatePostInstanceAuthBadOldPassword);
    change(&server, "second", json!(7))
        .expect_error(400, ErrorCode::MerchantPrivatePostInstanceAuthBadAuth);
    assert_eq!(server.log_in("shop", "right", ALL).status, 200);
    change(&server, "second", json!("right")).expect_stored();
    change(&server, "third", json!(null)).expect_stored();
    assert_eq!(server.log_in("shop", "third", ALL).status, 200);
    drop(server);

    let server = Server::start_with(storage, &[("SECURITY__REQUIRE_OLD_PASSWORD", "true")]);
    for old in [json!(null), json!("right")] {
        change(&server, "fourth", old)
            .expect_error(401, ErrorCode::MerchantPrivatePostInstanceAuthBadOldPassword);
    }
    change(&server, "fourth", json!("third")).expect_stored();
    // The operator needs none.
    let set = storage.run_with_input(&["instance", "set-password", "shop"], "fifth");
    assert!(set.success, "{}", set.stderr);
    assert_eq!(server.log_in("shop", "fifth", ALL).status, 200);
}
