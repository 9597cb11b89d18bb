//! Acknowledged devices survive a kill of the process.

use std::collections::BTreeSet;
use std::thread;

use merchant_otp_tests::{ErrorCode, Server, Storage, added_devices};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    acknowledged_devices_survive_kill_9,
}

fn acknowledged_devices_survive_kill_9(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let id = |client: u32, number: u32| format!("till {client} {number}");
    thread::scope(|scope| {
        for client in 0..8 {
            let (server, token) = (&server, &token);
            scope.spawn(move || {
                for number in 0..25 {
                    server
                        .post("shop", token, device(&id(client, number)).to_string())
                        .expect_stored();
                }
            });
        }
    });
    server.kill();

    // Each device has its event.
    let added = added_devices(storage);
    assert_eq!(added.len(), 8 * 25);
    assert_eq!(added.iter().collect::<BTreeSet<_>>().len(), 8 * 25);

    let server = Server::start(storage);
    for client in 0..8 {
        for number in 0..25 {
            let mut other = device(&id(client, number));
            other["otp_ctr"] = json!(1);
            server
                .post("shop", &token, other.to_string())
                .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
            server.post("shop", &token, device(&id(client, number)).to_string()).expect_stored();
        }
    }
}
