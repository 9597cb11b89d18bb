//! Master keys: checks at the start, rotation while the service runs, and the protection of stored
//! keys.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use merchant_otp_tests::{
    ErrorCode, Output, Server, Storage, StorageKind, command, fails, succeeds,
};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    a_wrong_or_lost_master_key_is_reported_at_the_start,
    sealed_keys_copied_to_another_row_do_not_open,
    a_master_key_is_changed_under_load,
    a_killed_rotation_is_continued,
    rotation_reports_keys_that_do_not_open,
    no_key_is_in_the_database,
}

const MASTER_KEYS: &str = "SECURITY__MASTER_KEYS";

/// A command that seals a key.
const ADD: [&str; 8] =
    ["device", "add", "--instance", "shop", "--id", "added", "--description", "Till"];

/// The master key that a storage has by default, named as in the settings.
fn first_key(storage: &Storage) -> String {
    let path = match storage.kind() {
        StorageKind::Sqlite(_) => storage.sqlite_path().with_file_name("master.key"),
        StorageKind::Postgres(_) => storage.key_path("master.key"),
    };
    format!("file:{}", path.display())
}

/// A new master key, named as in the settings.
fn new_key(storage: &Storage, name: &str) -> String {
    format!("file:{}", storage.make_master_key(name).display())
}

fn run(storage: &Storage, arguments: &[&str], keys: &str) -> Output {
    Output::of(storage.command(arguments, &[(MASTER_KEYS, keys)]))
}

/// The rows of `key status`, sorted: state, and number of devices.
fn status(storage: &Storage, keys: &str) -> Vec<(String, u64)> {
    let shown = succeeds(run(storage, &["key", "status"], keys));
    let mut rows: Vec<_> = shown
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|row| (row[1].to_owned(), row[2].parse().unwrap()))
        .collect();
    rows.sort();
    rows
}

fn a_wrong_or_lost_master_key_is_reported_at_the_start(storage: &Storage) {
    let (server, first) = (Server::start(storage), first_key(storage));
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    server.stop();
    let other = new_key(storage, "other.key");
    let junk = storage.key_path("junk.key");
    fs::write(&junk, "secret-of-a-user").unwrap();
    fs::set_permissions(&junk, fs::Permissions::from_mode(0o600)).unwrap();
    let loose = storage.make_master_key("loose.key");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o604)).unwrap();
    let twice = format!("{first},{first}");
    for (keys, message) in [
        (&*other, "which sealed keys in this database, is not there"),
        ("file:/nonexistent", "/nonexistent"),
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
        (&*format!("file:{}", junk.display()), "32 bytes in Base64"),
        (&*format!("file:{}", loose.display()), "chmod o="),
        (&*twice, "twice"),
    ] {
        for arguments in [&["serve"][..], &ADD, &["key", "rotate"]] {
            let failed = run(storage, arguments, keys);
            assert!(!failed.success, "{keys}");
            assert!(failed.stderr.contains(message), "{}", failed.stderr);
            assert!(!failed.stderr.contains("secret-of-a-user"), "{}", failed.stderr);
        }
        // Commands that need no key do not ask for one.
        succeeds(run(storage, &["token", "list", "--instance", "shop"], keys));
    }
    // `key status` still shows which keys are present and which are missing.
    let expected = [("missing".to_owned(), 1), ("seals".to_owned(), 0)];
    assert_eq!(status(storage, &other), expected);
    // Without a configured key: SQLite looks beside the database, PostgreSQL has no default.
    let lost = match storage.kind() {
        StorageKind::Sqlite(_) => {
            let path = storage.sqlite_path().with_file_name("master.key");
            let copy = path.with_extension("copy");
            fs::rename(&path, &copy).unwrap();
            let lost = storage.run(&ADD);
            fails(storage.run(&["serve"]), "restore it from its backup");
            assert!(!path.exists(), "another one took its place");
            fs::rename(&copy, &path).unwrap();
            assert!(lost.stderr.contains("restore it from its backup"), "{}", lost.stderr);
            lost
        }
        StorageKind::Postgres(_) => {
            let lost = run(storage, &["serve"], "");
            assert!(lost.stderr.contains("merchant-otp key generate"), "{}", lost.stderr);
            lost
        }
    };
    assert!(!lost.success);
    // The failed commands did no harm.
    let server = Server::start(storage);
    server.post("shop", &token, device("till").to_string()).expect_stored();
}

fn sealed_keys_copied_to_another_row_do_not_open(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let other = storage.token("other", "all", "forever");
    for id in ["a", "b"] {
        server.post("shop", &token, device(id).to_string()).expect_stored();
    }
    storage.execute(
        "UPDATE otp_devices
         SET sealed_key = (SELECT sealed_key FROM otp_devices WHERE device_id = 'a')
         WHERE device_id = 'b';
         INSERT INTO otp_devices
             (instance_id, device_id, description, sealed_key, algorithm, counter)
         SELECT 'other', device_id, description, sealed_key, algorithm, counter
         FROM otp_devices WHERE device_id = 'a'",
    );
    let path = |instance: &str, id: &str| format!("/instances/{instance}/private/otp-devices/{id}");
    for (instance, id, token) in [("shop", "b", &token), ("other", "a", &other)] {
        let body = r#"{"otp_device_description": "new"}"#;
        server
            .call("GET", &path(instance, id), token, "")
            .expect_error(500, ErrorCode::GenericDbInvariantFailure);
        server
            .call("PATCH", &path(instance, id), token, body)
            .expect_error(500, ErrorCode::GenericDbInvariantFailure);
        server
            .post(instance, token, device(id).to_string())
            .expect_error(500, ErrorCode::GenericDbInvariantFailure);
    }
    assert_eq!(server.call("GET", &path("shop", "a"), &token, "").status, 200);
    // They are listed, and can be removed.
    let listed = server.call("GET", "/instances/shop/private/otp-devices", &token, "").json();
    assert_eq!(listed["otp_devices"].as_array().unwrap().len(), 2);
    server.call("DELETE", &path("shop", "b"), &token, "").expect_stored();
    server.post("shop", &token, device("b").to_string()).expect_stored();
}

/// No request is lost, none fails, and no key stays sealed with the old master key.
fn a_master_key_is_changed_under_load(storage: &Storage) {
    let old = first_key(storage);
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for number in 0..250 {
        server.post("shop", &token, device(&format!("old {number}")).to_string()).expect_stored();
    }
    server.stop();
    let new = new_key(storage, "new.key");
    let both = format!("{new},{old}");
    let server = Server::start_with(storage, &[(MASTER_KEYS, &both)]);
    let done = AtomicBool::new(false);
    let stored = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (server, token, done) = (&server, &token, &done);
                scope.spawn(move || {
                    let mut stored = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let id = format!("during {client} {}", stored.len());
                        server.post("shop", token, device(&id).to_string()).expect_stored();
                        let old = format!("old {}", (stored.len() * 7 + client) % 250);
                        let path = format!("/instances/shop/private/otp-devices/{old}");
                        let path = path.replace(' ', "%20");
                        assert_eq!(server.call("GET", &path, token, "").status, 200);
                        let change = json!({ "otp_ctr": stored.len() }).to_string();
                        server.call("PATCH", &path, token, change).expect_stored();
                        stored.push(id);
                    }
                    stored
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        let output = succeeds(run(storage, &["key", "rotate"], &both));
        assert!(output.contains("the others may be removed"), "{output}");
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(!stored.is_empty());
    server.stop();
    // The old master key is no longer needed.
    let devices = 250 + stored.len() as u64;
    assert_eq!(status(storage, &new), [("seals".to_owned(), devices)]);
    let server = Server::start_with(storage, &[(MASTER_KEYS, &new)]);
    for id in stored.iter().map(String::as_str).chain(["old 0", "old 249"]) {
        let path =
            format!("/instances/shop/private/otp-devices/{}?faketime=59", id.replace(' ', "%20"));
        let shown = server.call("GET", &path, &token, "").json();
        let codes = shown["otp_code"].as_str().unwrap();
        assert_eq!(codes.lines().nth(2), Some("94287082"), "{id}");
    }
}

fn a_killed_rotation_is_continued(storage: &Storage) {
    const DEVICES: u64 = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    let rows = (0..DEVICES).map(|number| format!("till {number},Till,GEZDGNBVGY3TQOJQGEZDGNBV\n"));
    let header = "otp_device_id,otp_device_description,otp_key\n".to_owned();
    fs::write(&file, header + &rows.collect::<String>()).unwrap();
    let _token = storage.token("shop", "all", "forever");
    let import = ["device", "import", "--instance", "shop", file.to_str().unwrap()];
    succeeds(storage.run(&import));
    // Rotate back and forth between two master keys until a rotation is killed between two batches.
    let mut keys = [new_key(storage, "new.key"), first_key(storage)];
    for milliseconds in (10..500).step_by(10) {
        let named = keys.join(",");
        let mut rotate = storage.command(&["key", "rotate"], &[(MASTER_KEYS, &named)]);
        let mut process = rotate.stdout(std::process::Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(milliseconds));
        process.kill().unwrap();
        process.wait().unwrap();
        let status = status(storage, &named);
        let count = |state: &str| {
            status.iter().find(|(other, _)| other == state).map_or(0, |(_, devices)| *devices)
        };
        // Every key is sealed with one of the two.
        assert_eq!(count("seals") + count("opens"), DEVICES, "{status:?}");
        match (count("seals"), count("opens")) {
            (0, _) => {}
            (_, 0) => keys.reverse(),
            _ => {
                let output = succeeds(run(storage, &["key", "rotate"], &named));
                assert!(output.contains("the others may be removed"), "{output}");
                assert_eq!(self::status(storage, &keys[0]), [("seals".to_owned(), DEVICES)]);
                return;
            }
        }
    }
    panic!("no rotation was killed between two batches");
}

fn rotation_reports_keys_that_do_not_open(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for id in ["a", "b"] {
        server.post("shop", &token, device(id).to_string()).expect_stored();
    }
    storage.execute(
        "UPDATE otp_devices
         SET sealed_key = (SELECT sealed_key FROM otp_devices WHERE device_id = 'a')
         WHERE device_id = 'b'",
    );
    let both = format!("{},{}", new_key(storage, "new.key"), first_key(storage));
    let failed = run(storage, &["key", "rotate"], &both);
    assert!(!failed.success);
    assert!(failed.stderr.contains("1 keys cannot be opened"), "{}", failed.stderr);
    assert!(failed.stderr.contains("cannot be opened: shop b\n"), "{}", failed.stderr);
    let expected = [("opens".to_owned(), 1), ("seals".to_owned(), 1)];
    assert_eq!(status(storage, &both), expected);

    let no_key = match storage.kind() {
        StorageKind::Sqlite(_) => "x'0011'",
        StorageKind::Postgres(_) => "'\\x0011'",
    };
    storage.execute(&format!("UPDATE otp_devices SET sealed_key = {no_key} WHERE device_id = 'b'"));
    let failed = run(storage, &["key", "rotate"], &both);
    assert!(failed.stderr.contains("cannot be opened: shop b\n"), "{}", failed.stderr);
}

/// Neither a dump of the database nor its files contain a key.
fn no_key_is_in_the_database(storage: &Storage) {
    const KEY: &str = "MARKERMARKERMARKERMARKERMARKERMA";
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    storage.password("shop", "MARKER-password");
    let mut body = device("the till");
    body["otp_key"] = json!(KEY);
    server.post("shop", &token, body.to_string()).expect_stored();
    body["otp_ctr"] = json!(1);
    server
        .post("shop", &token, body.to_string())
        .expect_error(409, ErrorCode::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists);
    let path = "/instances/shop/private/otp-devices/the%20till";
    let change = json!({ "otp_key": KEY.to_lowercase(), "otp_ctr": 7 }).to_string();
    server.call("PATCH", path, &token, change).expect_stored();
    let mut held = Vec::new();
    match storage.kind() {
        StorageKind::Sqlite(_) => {
            for entry in fs::read_dir(storage.sqlite_path().parent().unwrap()).unwrap() {
                held.extend(fs::read(entry.unwrap().path()).unwrap());
            }
        }
        StorageKind::Postgres(database) => {
            let dump = Command::new(merchant_otp_throwaway_postgres::program("pg_dump").unwrap())
                .args(["--dbname", &database.url()])
                .output()
                .unwrap();
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            held.extend(dump.stdout);
        }
    }
    let holds = |form: &[u8]| held.windows(form.len()).any(|window| window == form);
    assert!(holds(b"the till"), "nothing was looked at");
    let mut forms = crate::secrets::forms_of_key();
    forms.extend(["MARKER-password".to_owned(), token.replace("secret-token:", "")]);
    for form in forms {
        assert!(!holds(form.as_bytes()), "the database holds {form}");
    }
    let bytes = data_encoding::BASE32_NOPAD.decode(KEY.as_bytes()).unwrap();
    assert!(!holds(&bytes), "the database holds the bytes of the key");
}

#[test]
fn the_first_start_creates_a_master_key_and_reports_it() {
    let storage = Storage::sqlite();
    let path = storage.sqlite_path().with_file_name("master.key");
    let (_, log) = Server::start(&storage).stop();
    assert!(log.contains("created master key"), "{log}");
    assert!(log.contains(path.to_str().unwrap()), "{log}");
    let key = fs::read_to_string(&path).unwrap();
    assert!(!log.contains(key.trim()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (_, log) = Server::start(&storage).stop();
    assert!(!log.contains("master key"), "{log}");
    assert_eq!(fs::read_to_string(&path).unwrap(), key);
    // The command line reports it, too.
    let other = Storage::sqlite();
    let added = other.run(&["instance", "add", "shop", "--name", "Shop"]);
    assert!(added.success && !added.stderr.contains("master key"), "{}", added.stderr);
    // A command that only reads creates none.
    let code = ["device", "code", "--instance", "shop", "--id", "till"];
    for arguments in [&code[..], &["key", "status"]] {
        fails(other.run(arguments), "there is no master key yet");
    }
    let added = other.run(&ADD);
    assert!(added.success && added.stderr.contains("created the master key"), "{}", added.stderr);
}

#[test]
fn a_master_key_is_generated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let generate = |file: &[&Path]| {
        let file = file.iter().map(|file| file.to_str().unwrap());
        let arguments: Vec<_> = ["key", "generate"].into_iter().chain(file).collect();
        Output::of(command(&arguments, &[]))
    };
    let printed = [generate(&[]), generate(&[])].map(succeeds);
    assert_ne!(printed[0], printed[1]);
    assert_eq!(printed[0].trim().len(), 44);
    let output = succeeds(generate(&[&path]));
    let key = fs::read_to_string(&path).unwrap();
    assert!(output.contains(path.to_str().unwrap()) && !output.contains(key.trim()), "{output}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = generate(&[&path]);
    assert!(!again.success && again.stderr.contains("already exists"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), key);

    // Also from the environment; an invalid key is not quoted.
    let storage = Storage::sqlite();
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let mut add = storage.command(&ADD, &[(MASTER_KEYS, "env:THE_KEY")]);
    add.env("THE_KEY", OsStr::from_bytes(b"SECRET\xff"));
    let failed = Output::of(add);
    assert!(!failed.success && failed.stderr.contains("env:THE_KEY"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("SECRET"), "{}", failed.stderr);
    let mut add = storage.command(&ADD, &[(MASTER_KEYS, "env:THE_KEY")]);
    add.env("THE_KEY", printed[0].trim());
    succeeds(Output::of(add));
    assert!(!storage.sqlite_path().with_file_name("master.key").exists());
}
