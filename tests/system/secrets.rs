//! No secret is told: not by the log, not by an error, not by the command line.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, HEXLOWER, HEXUPPER};
use merchant_otp_tests::{Server, Storage, StorageKind};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    no_log_holds_a_key_or_a_token,
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
    server.post("shop", &token, body.to_string()).expect_error(409, 2851);
    body["otp_key"] = json!(format!("{KEY}!"));
    server.post("shop", &token, body.to_string()).expect_error(400, 22);
    server.post("shop", &token, format!("{{\"otp_key\": \"{KEY}")).expect_error(400, 22);
    server.post("shop", &format!("{token}x"), body.to_string()).expect_error(401, 2015);
    // A token in the wrong place.
    server.post(secret, &token, body.to_string()).expect_error(404, 2000);
    server.call("GET", &format!("/{secret}?{secret}"), &token, "").expect_error(404, 21);
    for path in ["config", "private/otp-devices"] {
        let path = format!("/instances/{secret}/{path}");
        server.call("PUT", &path, &token, "").expect_error(405, 20);
        server.call("OPTIONS", &path, &token, "").expect_stored();
    }
    storage.execute("ALTER TABLE otp_devices RENAME TO gone");
    body["otp_key"] = json!(KEY);
    server.post("shop", &token, body.to_string()).expect_error(500, 54);

    let (stdout, log) = server.stop();
    assert!(log.contains("\"code\":2851"), "the log is not on: {log}");
    if matches!(storage.kind(), StorageKind::Postgres(_)) {
        assert_eq!(stdout, "");
    }
    for form in forms_of_key().iter().map(String::as_str).chain([secret, &secret.to_lowercase()]) {
        assert!(!log.contains(form), "the log holds {form}");
    }
}

/// The key as it was sent, and its bytes as programs print bytes.
fn forms_of_key() -> Vec<String> {
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

fn no_error_quotes_a_key(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for value in [json!(format!("{KEY}!")), json!([KEY]), json!({ KEY: KEY }), json!(KEY.repeat(9))]
    {
        let mut body = device("till");
        body["otp_key"] = value;
        let refused = server.post("shop", &token, body.to_string());
        refused.expect_error(400, 22);
        assert!(!refused.body.contains("MARKER"), "{}", refused.body);
    }
}
