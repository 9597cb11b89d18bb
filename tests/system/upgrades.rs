//! Upgrades: this version serves the data of older versions, and works on the schema of the next
//! one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use merchant_otp_tests::{
    ALL, DEVICES, ErrorCode, Migration, Server, Storage, StorageKind, added_devices, trail,
    wait_until,
};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    each_older_schema_is_upgraded_with_its_rows,
    unsealed_keys_are_refused_and_left_unchanged,
    the_schema_can_be_extended_while_this_version_serves,
}

/// The migrations that seal keys, add the audit trail, and make primary keys begin with the
/// instance.
const SEALED: &str = "20261124070000";
const AUDITED: &str = "20261124090000";
const BEGUN_WITH_INSTANCE: &str = "20261126000000";

/// Values as the first versions wrote them: a change in how they are read breaks upgrades.
const MASTER_KEY: &str = "KHn10Upu/WKu5eKzPVAJQjl8yUlIaWIzTmCMYSKF8Mc=";
const MASTER_KEY_ID: &str = "CEFBCCA3F4D209F0";
const MASTER_KEY_SAMPLE: &str = "CEFBCCA3F4D209F023DA4F8631C7369D1DB342961AF4BF475CE39394EACDA72CB9116\
                                 7D33418DF14CBE5D3A581807088";
const SEALED_KEY: &str = "CEFBCCA3F4D209F009882C5EAFC3C1B12A592C7B17D413312906DAF12F466354160A707D59C4\
                          81011D49DE686F5E93224F8395A61AC72A16D9D71E0C331D213392106D87";
const TOKEN: &str = "secret-token:JB28CZEAEZ7M29N69EWJ8103SPHEDGPX2B70KJGY61E9QNFBJBE0";
const TOKEN_DIGEST: &str = "E077A77172535B1F2527AC99540441E41BE5B33132E998E7C1BDD1375796F3FD";
const PASSWORD_HASH: &str = "$argon2id$v=19$m=47104,t=1,p=1$cU5RT3mJucKjaRvjsZ3+pw$Mwpp49Mrvr48eH2fx7iD4v\
                             IUaYa7IVq5TBRRzaZmRbg";

/// Creates a database with the schema after these migrations, and its master key.
fn make(storage: &Storage, migrations: &[Migration]) {
    storage.apply(migrations);
    let key = match storage.kind() {
        StorageKind::Sqlite(_) => storage.sqlite_path().with_file_name("master.key"),
        StorageKind::Postgres(_) => storage.key_path("master.key"),
    };
    fs::write(&key, MASTER_KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Bytes as a literal of SQL.
fn bytes(storage: &Storage, hexadecimal: &str) -> String {
    match storage.kind() {
        StorageKind::Sqlite(_) => format!("x'{hexadecimal}'"),
        StorageKind::Postgres(_) => format!("'\\x{hexadecimal}'"),
    }
}

/// Inserts the rows that a version with these migrations had in its tables.
fn fill(storage: &Storage, migrations: &[Migration]) {
    let has = |wanted: &str| migrations.iter().any(|one| one.version == wanted);
    let bytes = |hexadecimal| bytes(storage, hexadecimal);
    // SQLite assigns serials itself where they are the whole primary key.
    let (column, serial) = match storage.kind() {
        StorageKind::Sqlite(_) if has(BEGUN_WITH_INSTANCE) => {
            storage.execute("UPDATE serials SET last = 1");
            ("serial, ", "1, ")
        }
        _ => ("", ""),
    };
    storage.execute("INSERT INTO instances (id, name) VALUES ('shop', 'Shop')");
    storage.execute(&format!(
        "INSERT INTO access_tokens
             ({column}instance_id, digest, scope, created_at, expires_at, description)
         VALUES ({serial}'shop', {}, 'all', 1795522802, NULL, 'made by an older version')",
        bytes(TOKEN_DIGEST)
    ));
    if migrations.len() > 1 {
        storage.execute(&format!("UPDATE instances SET password_hash = '{PASSWORD_HASH}'"));
        storage.execute("INSERT INTO instances (id, name, deleted) VALUES ('gone', 'Gone', TRUE)");
    }
    if has(SEALED) {
        storage.execute(&format!(
            "INSERT INTO master_keys (id, sample) VALUES ({}, {})",
            bytes(MASTER_KEY_ID),
            bytes(MASTER_KEY_SAMPLE)
        ));
        storage.execute(&format!(
            "INSERT INTO otp_devices
                 (instance_id, device_id, description, sealed_key, algorithm, counter)
             VALUES ('shop', 'till', 'Till at the door', {}, 1, 0)",
            bytes(SEALED_KEY)
        ));
    }
    if has(AUDITED) {
        storage.execute(&format!(
            "INSERT INTO audit_events
                 ({column}happened_at, instance_id, actor, operation, device_id, outcome, unrecorded)
             VALUES
                 ({serial}1795522946, 'shop', 'operator', 'otp-device.add', 'till', 'done', 0)"
        ));
    }
}

fn each_older_schema_is_upgraded_with_its_rows(storage: &Storage) {
    let all = storage.migrations().len();
    for applied in 1..=all {
        let fresh = match storage.kind() {
            StorageKind::Sqlite(_) => Storage::sqlite(),
            StorageKind::Postgres(_) => Storage::postgres(),
        };
        upgrade(&fresh, applied);
    }
}

fn upgrade(storage: &Storage, applied: usize) {
    let migrations = storage.migrations();
    let (older, newer) = migrations.split_at(applied);
    let has = |wanted: &str| older.iter().any(|one| one.version == wanted);
    make(storage, older);
    fill(storage, older);
    if let Some(Migration { version, .. }) = newer.first() {
        let refused = storage.run(&["serve", "--no-migrate"]);
        assert!(!refused.success && refused.stderr.contains(version), "{}", refused.stderr);
    }

    let server = Server::start(storage);
    let devices = server.call("GET", DEVICES, TOKEN, "").json();
    let tills = devices["otp_devices"].as_array().unwrap();
    if has(SEALED) {
        assert_eq!(tills.len(), 1);
        assert_eq!(tills[0]["otp_device_id"], "till");
        // The key and the codes are those of RFC 6238.
        let till = server.call("GET", &format!("{DEVICES}/till?faketime=59"), TOKEN, "").json();
        assert_eq!(till["device_description"], "Till at the door");
        let codes = till["otp_code"].as_str().unwrap();
        assert!(codes.lines().any(|code| code == "94287082"), "{codes}");
        // Details are compared with the stored ones.
        server.post("shop", TOKEN, device("till").to_string()).expect_stored();
        let mut other = device("till");
        other["otp_key"] = json!("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJA");
        server
            .post("shop", TOKEN, other.to_string())
            .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    } else {
        assert!(tills.is_empty());
    }
    if applied > 1 {
        assert_eq!(server.log_in("shop", "right", ALL).status, 200);
        server
            .log_in("shop", "wrong", ALL)
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        server
            .call("GET", "/instances/gone/private/otp-devices", TOKEN, "")
            .expect_error(404, ErrorCode::MerchantGenericInstanceDeleted);
    } else {
        let set = storage.run_with_input(&["instance", "set-password", "shop"], "right");
        assert!(set.success, "{}", set.stderr);
        assert_eq!(server.log_in("shop", "right", ALL).status, 200);
    }
    server.post("shop", TOKEN, device("new").to_string()).expect_stored();
    let added = added_devices(storage);
    let expected: &[_] = if has(AUDITED) { &["till", "new"] } else { &["new"] };
    assert_eq!(added, expected);
    // No migration is pending.
    server.stop();
    let server = Server::start_without_migrating(storage);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
}

fn unsealed_keys_are_refused_and_left_unchanged(storage: &Storage) {
    let migrations = storage.migrations();
    let sealed = migrations.iter().position(|one| one.version == SEALED).unwrap();
    let plain = &migrations[..sealed];
    make(storage, plain);
    fill(storage, plain);
    let key = bytes(storage, "3132333435363738393031323334353637383930");
    storage.execute(&format!(
        "INSERT INTO otp_devices (instance_id, device_id, description, otp_key, algorithm, counter)
         VALUES ('shop', 'till', 'Till at the door', {key}, 1, 0)"
    ));
    for arguments in [&["serve"][..], &["migrate"], &["instance", "remove", "shop"]] {
        let refused = storage.run(arguments);
        assert!(!refused.success, "{arguments:?}");
        let says = "remove_the_devices_whose_keys_are_not_sealed";
        assert!(refused.stderr.contains(says), "{arguments:?}: {}", refused.stderr);
    }
    // The database is unchanged: each of these finds exactly one row, or fails.
    let found = |condition: &str| {
        storage.execute("CREATE TABLE found (rows INTEGER CHECK (rows = 1))");
        storage.execute(&format!("INSERT INTO found SELECT count(*) FROM {condition}"));
        storage.execute("DROP TABLE found");
    };
    found(&format!("otp_devices WHERE device_id = 'till' AND otp_key = {key}"));
    found("access_tokens");
    found("instances WHERE NOT deleted");
    let newest = &plain.last().unwrap().version;
    found(&format!(
        "(SELECT max(version) AS newest FROM __diesel_schema_migrations) AS applied
         WHERE newest = '{newest}'"
    ));
    storage.execute("CREATE TABLE master_keys (id INTEGER)");
    storage.execute("DROP TABLE master_keys");

    // After the remedy that the error suggests, the upgrade succeeds.
    storage.execute("DELETE FROM otp_devices");
    let server = Server::start(storage);
    server.post("shop", TOKEN, device("till").to_string()).expect_stored();
}

/// Changes rows of the tables, and reads them.
fn use_everything(server: &Server, storage: &Storage, device_id: &str) {
    let till = format!("{DEVICES}/{device_id}");
    server.post("shop", TOKEN, device(device_id).to_string()).expect_stored();
    let patch = json!({ "otp_device_description": "Moved" }).to_string();
    server.call("PATCH", &till, TOKEN, patch).expect_stored();
    assert_eq!(server.call("GET", &till, TOKEN, "").json()["device_description"], "Moved");
    let listed = server.call("GET", DEVICES, TOKEN, "").json();
    assert!(!listed["otp_devices"].as_array().unwrap().is_empty());
    server.call("DELETE", &till, TOKEN, "").expect_stored();
    assert_eq!(server.log_in("shop", "right", ALL).status, 200);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    let migrated = storage.run(&["migrate"]);
    assert!(migrated.success, "{}", migrated.stderr);
    let status = storage.run(&["key", "status"]);
    assert!(status.success, "{}", status.stderr);
    let last = trail(storage, "shop", &[]).pop().unwrap();
    assert_eq!(last["operation"], "access-token.issue", "{last}");
}

/// The next version extends every table, as migrations/README.md allows, while this version serves.
fn the_schema_can_be_extended_while_this_version_serves(storage: &Storage) {
    let migrations = storage.migrations();
    make(storage, &migrations);
    fill(storage, &migrations);
    let server = Server::start(storage);
    use_everything(&server, storage, "before");
    let (stop, stored) = (AtomicBool::new(false), AtomicU32::new(0));
    let wait_for_more = || {
        let until = stored.load(Ordering::Relaxed) + 50;
        wait_until("devices are stored", || stored.load(Ordering::Relaxed) >= until);
    };
    thread::scope(|scope| {
        for client in 0..4 {
            let (server, stop, stored) = (&server, &stop, &stored);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("till-{client}-{number}");
                    server.post("shop", TOKEN, device(&id).to_string()).expect_stored();
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_for_more();
        for table in ["instances", "access_tokens", "otp_devices", "master_keys", "audit_events"] {
            storage.execute(&format!("ALTER TABLE {table} ADD COLUMN next TEXT"));
            storage.execute(&format!(
                "ALTER TABLE {table} ADD COLUMN counted INTEGER NOT NULL DEFAULT 7"
            ));
        }
        storage.execute("CREATE INDEX next_devices ON otp_devices (next)");
        storage.execute("CREATE TABLE next_table (id INTEGER PRIMARY KEY)");
        storage
            .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')");
        wait_for_more();
        stop.store(true, Ordering::Relaxed);
    });
    storage.execute("UPDATE otp_devices SET next = 'of the next version', counted = 8");
    use_everything(&server, storage, "after");
    server.stop();
    for start in [Server::start, Server::start_without_migrating] {
        let server = start(storage);
        use_everything(&server, storage, "started-after");
        server.stop();
    }
}
