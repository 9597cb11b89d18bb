//! A complete session of a shop, from log-in to the refusal of its revoked token.

use std::process::Command;

use merchant_otp_test_tools::oathtool;
use merchant_otp_tests::{ErrorCode, KEY, Server, Storage};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    a_shop_logs_in_and_works_and_logs_out,
}

fn a_shop_logs_in_and_works_and_logs_out(storage: &Storage) {
    let server = Server::start(storage);
    storage.password("shop", "correct horse");
    let (devices, till) =
        ("/instances/shop/private/otp-devices", "/instances/shop/private/otp-devices/till");

    let request = json!({ "scope": "all", "description": "till set-up" }).to_string();
    let issued = server.log_in("shop", "correct horse", request);
    let token = issued.json()["access_token"].as_str().unwrap().to_owned();
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let listed = server.call("GET", devices, &token, "").json();
    assert_eq!(
        listed,
        json!({ "otp_devices": [
            { "otp_device_id": "till", "device_description": "Till at the door" },
        ] })
    );

    // The current codes are those that the device computes.
    let shown = server.call("GET", till, &token, "").json();
    let time = shown["otp_timestamp"].as_u64().unwrap();
    assert_eq!(shown["otp_code"], codes_of_oathtool(KEY, time));
    // So are the codes of a new key at another time.
    let patch = json!({ "otp_device_description": "Till 1", "otp_key": "JBSWY3DPEHPK3PXP" });
    server.call("PATCH", till, &token, patch.to_string()).expect_stored();
    let shown = server.call("GET", &format!("{till}?faketime=1700000000"), &token, "").json();
    assert_eq!(shown["device_description"], "Till 1");
    assert_eq!(shown["otp_code"], codes_of_oathtool("JBSWY3DPEHPK3PXP", 1_700_000_000));

    server.call("DELETE", "/instances/shop/private/token", &token, "").expect_stored();
    server.call("GET", till, &token, "").expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server
        .post("shop", &token, device("other").to_string())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

/// The five codes around a time, computed by an independent implementation.
fn codes_of_oathtool(key: &str, time: u64) -> String {
    let output = Command::new(oathtool().unwrap())
        .args(["--totp", "--base32", "--digits=8", "--window=4"])
        .args([&format!("--now=@{}", time - 60), key])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
