//! The example of an order service in docs/examples.

use std::path::Path;
use std::process::Command;

use merchant_otp_tests::{KEY, Output, Server, Storage, fails, succeeds};
use serde_json::json;

use crate::on_both_databases;

on_both_databases! {
    the_codes_of_a_payment_are_printed,
}

/// The codes for 1.50 EUR, computed independently of the service (Taler's KDF and RFC 6238).
const CODES: &str = "25414867\n50803371\n84002102\n81378344\n14701362\n";

fn the_codes_of_a_payment_are_printed(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for (id, algorithm) in [("till", 2), ("none", 0)] {
        let device = json!({
            "otp_device_id": id,
            "otp_device_description": "Till",
            "otp_key": KEY,
            "otp_algorithm": algorithm,
        });
        server.post("shop", &token, device.to_string()).expect_stored();
    }
    let token = storage.token("shop", "readonly", "forever");
    let base = format!("http://{}/instances/shop", server.address());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/order_service.py");
    let print = |arguments: &[&str]| {
        let mut python = Command::new("python3");
        python.arg(&example).args(arguments).env("MERCHANT_OTP_TOKEN", &token);
        Output::of(python)
    };
    assert_eq!(succeeds(print(&[&base, "till", "EUR:1.50", "1700000000"])), CODES);
    assert_eq!(succeeds(print(&[&base, "till", "EUR:1.50"])).lines().count(), 5);
    let none = succeeds(print(&[&base, "none", "EUR:1.50"]));
    assert_eq!(none, "this device confirms no payments\n");
    fails(print(&[&base, "unknown", "EUR:1.50"]), "404");
}
