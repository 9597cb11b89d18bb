//! No secret is in the log, in an error, or in the output of the command line.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, HEXLOWER, HEXUPPER};
use merchant_otp_tests::{ErrorCode, Server, Storage, StorageKind};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    no_log_holds_a_key_or_a_token,
    no_log_and_no_error_holds_a_password,
    no_error_quotes_a_key,
}

const KEY: &str = "MARKERMARKERMARKERMARKERMARKERMA";

fn no_log_holds_a_key_or_a_token(storage: &Storage) {
    let server = Server::start_with(storage, &[("LOG__FILTER", "trace")]);
    let token = storage.token("shop", "all", "forever");
    let secret = token.strip_prefix("secret-token:").unwrap();
    let mut body = device("till");
    body["otp_key"] = json!(KEY);
    server.post("shop", &token, body.to_string()).expect_stored();
    body["otp_ctr"] = json!(1);
    server
        .post("shop", &token, body.to_string())
        .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    body["otp_key"] = json!(format!("{KEY}!"));
    server.post("shop", &token, body.to_string()).expect_error(400, ErrorCode::GenericJsonInvalid);
    server
        .post("shop", &token, format!("{{\"otp_key\": \"{KEY}"))
        .expect_error(400, ErrorCode::GenericJsonInvalid);
    server
        .post("shop", &format!("{token}x"), body.to_string())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    // A token in the path.
    server
        .post(secret, &token, body.to_string())
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    server
        .call("GET", &format!("/{secret}?{secret}"), &token, "")
        .expect_error(404, ErrorCode::GenericEndpointUnknown);
    for path in ["config", "private/otp-devices"] {
        let path = format!("/instances/{secret}/{path}");
        server.call("PUT", &path, &token, "").expect_error(405, ErrorCode::GenericMethodInvalid);
        server.call("OPTIONS", &path, &token, "").expect_stored();
    }
    storage.execute("ALTER TABLE otp_devices RENAME TO gone");
    body["otp_key"] = json!(KEY);
    server
        .post("shop", &token, body.to_string())
        .expect_error(500, ErrorCode::GenericDbCommitFailed);

    let (stdout, log) = server.stop();
    assert!(log.contains("\"code\":2851"), "the log is not on: {log}");
    if matches!(storage.kind(), StorageKind::Postgres(_)) {
        assert_eq!(stdout, "");
    }
    for form in forms_of_key().iter().map(String::as_str).chain([secret, &secret.to_lowercase()]) {
        assert!(!log.contains(form), "the log holds {form}");
    }
}

/// The key as it was sent, and its bytes in common notations.
pub(crate) fn forms_of_key() -> Vec<String> {
    let bytes = BASE32_NOPAD.decode(KEY.as_bytes()).unwrap();
    let list = format!("{:?}", &bytes[..8]);
    vec![
        KEY.to_owned(),
        KEY.to_lowercase(),
        list.trim_matches(['[', ']']).to_owned(),
        HEXLOWER.encode(&bytes),
        HEXUPPER.encode(&bytes),
        BASE64_NOPAD.encode(&bytes),
        bytes[..8].escape_ascii().to_string(),
    ]
}

fn no_log_and_no_error_holds_a_password(storage: &Storage) {
    const PASSWORD: &str = "MARKER+password\u{fc}";
    let server = Server::start_with(storage, &[("LOG__FILTER", "trace")]);
    storage.password("shop", PASSWORD);
    let admin = storage.token("admin", "all", "forever");
    let issued = server.log_in("shop", PASSWORD, r#"{"scope": "all:refreshable"}"#);
    assert_eq!(issued.status, 200, "{}", issued.body);
    let token = issued.json()["access_token"].as_str().unwrap().to_owned();
    let auth = json!({ "method": "token", "password": PASSWORD });
    let new = json!({ "id": "new", "name": "New", "auth": auth });
    let mut replies = vec![
        server.log_in("shop", &format!("{PASSWORD}x"), r#"{"scope": "all"}"#),
        server.log_in("shop", PASSWORD, PASSWORD),
        server.call("POST", "/instances/shop/private/token", &token, r#"{"scope": "all"}"#),
        server.call("POST", "/instances/shop/private/auth", &token, auth.to_string()),
        server.call("POST", "/management/instances", &admin, new.to_string()),
    ];
    for wrong in [
        json!({ "method": PASSWORD, "password": PASSWORD }),
        json!({ "method": "token", "password": [PASSWORD] }),
        json!({ "method": "token", "password": PASSWORD.repeat(99) }),
        json!({ "method": "token", "password": { PASSWORD: PASSWORD } }),
    ] {
        let path = "/instances/shop/private/auth";
        replies.push(server.call("POST", path, &token, wrong.to_string()));
        let new = json!({ "id": "other", "name": "Other", "auth": wrong });
        replies.push(server.call("POST", "/management/instances", &admin, new.to_string()));
    }
    storage.execute("ALTER TABLE instances RENAME TO gone");
    replies.push(server.call("POST", "/instances/shop/private/auth", &token, auth.to_string()));
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [401, 400, 200, 204, 204, 400, 400, 400, 400, 400, 400, 400, 400, 500]);
    for reply in replies {
        assert!(!reply.body.contains("MARKER"), "{}", reply.body);
    }
    let (_, log) = server.stop();
    assert!(log.contains("\"code\":2602"), "the log is not on: {log}");
    let basic = merchant_otp_tests::basic("shop", PASSWORD);
    let secret = token.strip_prefix("secret-token:").unwrap();
    for form in [PASSWORD, "MARKER", &basic["Basic ".len()..], secret, "argon2id"] {
        assert!(!log.contains(form), "the log holds {form}");
    }
}

/// A process that is ended by a signal leaves no core dump.
#[test]
fn the_memory_is_not_dumped() {
    let server = Server::start(&Storage::sqlite());
    assert_eq!(server.core_limit(), "0");
}

fn no_error_quotes_a_key(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for value in [json!(format!("{KEY}!")), json!([KEY]), json!({ KEY: KEY }), json!(KEY.repeat(9))]
    {
        let mut body = device("till");
        body["otp_key"] = value;
        let refused = server.post("shop", &token, body.to_string());
        refused.expect_error(400, ErrorCode::GenericJsonInvalid);
        assert!(!refused.body.contains("MARKER"), "{}", refused.body);
    }
}
