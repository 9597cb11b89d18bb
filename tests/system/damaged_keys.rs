//! Damaged rows and lost master keys of single devices: they stop neither the start nor a command.

use std::fs;

use merchant_otp_tests::{
    ErrorCode, Output, Server, Storage, StorageKind, fails, succeeds, wait_until,
};

use crate::{device, on_both_databases};

on_both_databases! {
    single_damaged_keys_are_reported_and_stop_nothing,
    a_start_that_opens_no_key_fails_and_creates_none,
    commands_that_need_no_key_work_without_one,
    the_check_value_of_a_lost_master_key_is_removed_with_its_devices,
}

/// A shop with the devices a, b, … of which some are damaged afterwards, when the service is down.
fn shop(storage: &Storage, devices: &[&str]) -> String {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for id in devices {
        server.post("shop", &token, device(id).to_string()).expect_stored();
    }
    server.stop();
    token
}

/// Changes a bit of the part of a sealed key that is the id of its master key.
fn flip(storage: &Storage, id: &str) {
    let key = match storage.kind() {
        StorageKind::Sqlite(_) => "unhex('0011223344556677' || substr(hex(sealed_key), 17))",
        StorageKind::Postgres(_) => "'\\x0011223344556677'::bytea || substr(sealed_key, 9)",
    };
    storage.execute(&format!("UPDATE otp_devices SET sealed_key = {key} WHERE device_id = '{id}'"));
}

/// Cuts a sealed key off.
fn cut(storage: &Storage, id: &str) {
    let key = match storage.kind() {
        StorageKind::Sqlite(_) => "x'0011'",
        StorageKind::Postgres(_) => "'\\x0011'",
    };
    storage.execute(&format!("UPDATE otp_devices SET sealed_key = {key} WHERE device_id = '{id}'"));
}

/// The path of a device, with its id percent-encoded.
fn path(id: &str) -> String {
    format!("/instances/shop/private/otp-devices/{id}")
}

fn single_damaged_keys_are_reported_and_stop_nothing(storage: &Storage) {
    let token = shop(storage, &["a", "b", "c", "d"]);
    flip(storage, "a");
    cut(storage, "b");
    // An id that no version of the service stores.
    storage.execute("UPDATE otp_devices SET device_id = '\u{202e}' WHERE device_id = 'c'");

    let refused = storage.run(&["serve", "--strict"]);
    assert!(!refused.success, "it starts");
    let first =
        "3 of 4 device keys cannot be opened, the first one of the device a of the instance";
    assert!(refused.stderr.contains(first), "{}", refused.stderr);

    let server = Server::start(storage);
    assert_eq!(server.call("GET", &path("d"), &token, "").status, 200);
    for id in ["a", "b"] {
        server
            .call("GET", &path(id), &token, "")
            .expect_error(500, ErrorCode::GenericDbInvariantFailure);
    }
    wait_until("the keys are checked", || server.log().contains("some device keys cannot"));
    let log = server.log();
    for id in ["a", "b"] {
        let expected = format!("\"instance\":\"shop\",\"device\":\"{id}\"");
        assert!(log.contains(&expected), "{log}");
    }
    assert!(log.contains("\"checked\":4,\"not_opened\":3"), "{log}");

    let status = storage.run(&["key", "status"]);
    assert!(status.success, "{}", status.stderr);
    for id in ["a", "b", "\\u{202e}"] {
        assert!(status.stderr.contains(&format!("cannot be opened: shop {id}\n")), "{status:?}");
    }
    assert!(status.stderr.contains("3 of 4 keys cannot be opened"), "{}", status.stderr);
    let rotated = storage.run(&["key", "rotate"]);
    assert!(!rotated.success && !rotated.stdout.contains("may be removed"), "{rotated:?}");
    assert!(rotated.stderr.contains("3 keys cannot be opened"), "{}", rotated.stderr);

    // Commands, while the service runs and without it.
    let commands = || {
        succeeds(storage.run(&["instance", "list"]));
        succeeds(storage.run(&["audit", "list", "--instance", "shop"]));
        succeeds(storage.run(&["device", "show", "--instance", "shop", "--id", "a"]));
        succeeds(storage.run(&["device", "code", "--instance", "shop", "--id", "d"]));
        let _token = storage.token("shop", "readonly", "1d");
        succeeds(storage.run(&["token", "revoke", "--instance", "shop", "--all"]));
    };
    commands();
    server.stop();
    commands();
    for id in ["a", "b", "d"] {
        succeeds(storage.run(&["device", "remove", "--instance", "shop", "--id", id]));
    }
}

fn a_start_that_opens_no_key_fails_and_creates_none(storage: &Storage) {
    let _token = shop(storage, &["a", "b"]);
    flip(storage, "a");
    flip(storage, "b");
    let missing =
        "the master key 0011223344556677, which sealed keys in this database, is not there";
    fails(storage.run(&["serve"]), missing);
    // Without a check value, and with rows that name no master key at all.
    cut(storage, "a");
    cut(storage, "b");
    storage.execute("DELETE FROM master_keys");
    let start = || storage.run(&["serve"]);
    fails(start(), "a sealed key does not open");
    if let StorageKind::Sqlite(_) = storage.kind() {
        let path = storage.sqlite_path().with_file_name("master.key");
        fs::remove_file(&path).unwrap();
        fails(start(), "restore it from its backup");
        assert!(!path.exists());
    }
}

fn commands_that_need_no_key_work_without_one(storage: &Storage) {
    let _token = shop(storage, &["a", "b"]);
    let run = |arguments: &str| -> Output {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let nowhere = [("SECURITY__MASTER_KEYS", "file:/nonexistent")];
        let mut command = storage.command(&arguments, &nowhere);
        command.stdin(std::process::Stdio::null());
        Output::of_input(command, "a password\n")
    };
    for arguments in [
        "migrate",
        "instance list",
        "instance add other --name Other",
        "instance set-password shop",
        "token add --instance shop --scope readonly",
        "token list --instance shop",
        "token revoke --instance shop --all",
        "device list --instance shop",
        "device show --instance shop --id a",
        "device remove --instance shop --id a",
        "audit list --instance shop",
        "instance remove other",
    ] {
        let output = run(arguments);
        assert!(output.success, "{arguments}: {}", output.stderr);
    }
    for arguments in [
        "serve",
        "key status",
        "key rotate",
        "device code --instance shop --id b",
        "device add --instance shop --id c --description Till",
    ] {
        let output = run(arguments);
        assert!(
            !output.success && output.stderr.contains("/nonexistent"),
            "{arguments}: {output:?}"
        );
    }
}

/// The devices that a lost master key sealed cannot be opened any more. Once they are removed, the
/// service starts without that master key.
fn the_check_value_of_a_lost_master_key_is_removed_with_its_devices(storage: &Storage) {
    let lost = format!("file:{}", storage.make_master_key("lost.key").display());
    let kept = format!("file:{}", storage.make_master_key("kept.key").display());
    let keys = |keys: &str| [("SECURITY__MASTER_KEYS", keys.to_owned())];
    let with = |value: &str, arguments: &[&str]| {
        let [(name, value)] = keys(value);
        storage.run_with(arguments, &[(name, &value)])
    };
    succeeds(storage.run(&["migrate"]));
    succeeds(with(&lost, &["instance", "add", "shop", "--name", "Shop"]));
    let add = |id: &'static str| {
        ["device", "add", "--instance", "shop", "--id", id, "--description", "Till"]
    };
    succeeds(with(&lost, &add("old")));
    succeeds(with(&format!("{kept},{lost}"), &add("new")));
    fails(with(&kept, &["serve"]), "is not there");
    let rotated = with(&kept, &["key", "rotate"]);
    assert!(rotated.stderr.contains("cannot be opened: shop old\n"), "{}", rotated.stderr);
    fails(with(&kept, &["serve"]), "is not there");
    succeeds(storage.run(&["device", "remove", "--instance", "shop", "--id", "old"]));
    succeeds(with(&kept, &["key", "rotate"]));
    Server::start_with(storage, &[("SECURITY__MASTER_KEYS", &kept)]).stop();
}
