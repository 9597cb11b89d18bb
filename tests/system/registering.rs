//! `POST …/private/otp-devices`: registration, repetition and conflicts.

use merchant_otp_tests::{ErrorCode, Server, Storage};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    registering_a_device_again_succeeds,
    other_details_are_a_conflict,
    both_paths_lead_to_the_admin_instance,
    instances_have_devices_of_their_own,
    ids_of_any_script_are_stored,
}

fn registering_a_device_again_succeeds(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let post = |body: &serde_json::Value| server.post("shop", &token, body.to_string());
    post(&device("till")).expect_stored();
    post(&device("till")).expect_stored();
    // The same details in other notations.
    for (field, value) in [
        ("otp_key", json!("gezdgnbvgy3tqojqgezdgnbvgy3tqojq")),
        ("otp_key", json!("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ======")),
        ("otp_algorithm", json!("TOTP_WITHOUT_PRICE")),
        ("otp_algorithm", json!("Totp_Without_Price")),
        ("otp_ctr", json!(null)),
        ("otp_ctr", json!(0)),
        ("otp_unheard_of", json!({ "otp_key": [1, 2] })),
    ] {
        let mut same = device("till");
        same[field] = value;
        post(&same).expect_stored();
    }
}

fn other_details_are_a_conflict(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    for (field, value) in [
        ("otp_device_description", json!("till at the door")),
        ("otp_key", json!("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR")),
        ("otp_key", json!("GEZDGNBVGY3TQOJQ")),
        ("otp_algorithm", json!(2)),
        ("otp_algorithm", json!("none")),
        ("otp_ctr", json!(1)),
    ] {
        let mut different = device("till");
        different[field] = value;
        server
            .post("shop", &token, different.to_string())
            .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    }
    // None of them was stored.
    server.post("shop", &token, device("till").to_string()).expect_stored();
}

fn both_paths_lead_to_the_admin_instance(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("admin", "all", "forever");
    let authorization = format!("Bearer {token}");
    let post = |path: &str, body: &serde_json::Value| {
        let body = body.to_string();
        server.request("POST", path, &[("Authorization", &authorization)], body.as_bytes())
    };
    post("/private/otp-devices", &device("till")).expect_stored();
    let mut different = device("till");
    different["otp_ctr"] = json!(7);
    post("/instances/admin/private/otp-devices", &device("till")).expect_stored();
    post("/instances/admin/private/otp-devices", &different)
        .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    post("/instances/%61dmin/private/otp%2Ddevices", &different)
        .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
}

fn instances_have_devices_of_their_own(storage: &Storage) {
    let server = Server::start(storage);
    let [one, other] = ["one", "other"].map(|id| storage.token(id, "all", "forever"));
    let mut theirs = device("till");
    theirs["otp_key"] = json!("MZXW6");
    server.post("one", &one, device("till").to_string()).expect_stored();
    server.post("other", &other, theirs.to_string()).expect_stored();
    server
        .post("one", &one, theirs.to_string())
        .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
}

fn ids_of_any_script_are_stored(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for id in ["Kasse 1", "касса", "レジ", "🧀", "e\u{301}", "\u{e9}", "a?b#c%2F", "'; --", "..."]
    {
        let mut body = device(id);
        server.post("shop", &token, body.to_string()).expect_stored();
        body["otp_ctr"] = json!(i64::MAX);
        server
            .post("shop", &token, body.to_string())
            .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    }
}
