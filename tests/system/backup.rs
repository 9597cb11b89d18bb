//! Backup of the embedded database under load, and restore.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use merchant_otp_tests::{DEVICES, Server, Storage};

use crate::device;

#[test]
fn a_backup_made_under_load_is_restored() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("before").to_string()).expect_stored();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("a copy.db");
    let copy = copy.to_str().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let device = device(&format!("till {number}"));
                server.post("shop", &token, device.to_string()).expect_stored();
            }
        });
        let copied = storage.run(&["backup", copy]);
        stop.store(true, Ordering::Relaxed);
        assert!(copied.success, "{}", copied.stderr);
    });
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    // Existing files are not overwritten.
    let again = storage.run(&["backup", copy]);
    assert!(!again.success && again.stderr.contains("was not changed"), "{}", again.stderr);
    let occupied = storage.run(&["restore", copy]);
    assert!(
        !occupied.success && occupied.stderr.contains("was not changed"),
        "{}",
        occupied.stderr
    );
    server.stop();

    // Remove the original database.
    let path = storage.sqlite_path();
    let with_suffix = |suffix: &str| {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        name
    };
    for suffix in ["", "-wal", "-shm"] {
        let _not_all_are_there = fs::remove_file(with_suffix(suffix));
    }
    // A leftover write-ahead log may hold data that is nowhere else, and the lock names a database.
    fs::write(with_suffix("-wal"), "left behind").unwrap();
    let refused = storage.run(&["restore", copy]);
    assert!(!refused.success && refused.stderr.contains("-wal"), "{}", refused.stderr);
    assert_eq!(fs::read(with_suffix("-wal")).unwrap(), b"left behind");
    fs::remove_file(with_suffix("-wal")).unwrap();
    let refused = storage.run(&["restore", copy]);
    assert!(!refused.success && refused.stderr.contains("-lock"), "{}", refused.stderr);
    fs::remove_file(with_suffix("-lock")).unwrap();
    let restored = storage.run(&["restore", copy]);
    assert!(restored.success, "{}", restored.stderr);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let server = Server::start(&storage);
    let shown = server.call("GET", &format!("{DEVICES}/before"), &token, "");
    assert_eq!(shown.status, 200, "{}", shown.body);
    server.post("shop", &token, device("before").to_string()).expect_stored();
}

#[test]
fn the_path_of_a_backup_is_taken_literally() {
    let storage = Storage::sqlite();
    let _token = storage.token("shop", "all", "forever");
    let folder = tempfile::tempdir().unwrap();
    // SQLite would give these names another meaning.
    for name in ["file:copy.db", ":memory:", "a b?c=d%20.db"] {
        let mut backup = storage.command(&["backup", name], &[]);
        let absolute = storage.sqlite_path();
        let url = format!("sqlite:{}", fs::canonicalize(absolute).unwrap().display());
        backup.current_dir(folder.path()).env("MERCHANT_OTP__STORAGE__URL", url);
        assert!(backup.output().unwrap().status.success());
        let copy = fs::metadata(folder.path().join(name)).unwrap();
        assert!(copy.len() > 4096 && copy.permissions().mode() & 0o777 == 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let storage = Storage::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    for text in ["", "no database", &"x".repeat(8192)] {
        fs::write(&copy, text).unwrap();
        let refused = storage.run(&["restore", copy.to_str().unwrap()]);
        assert!(!refused.success, "{}", refused.stdout);
        assert!(!storage.sqlite_path().exists());
    }
    let missing = storage.run(&["restore", folder.path().join("none").to_str().unwrap()]);
    assert!(!missing.success && !storage.sqlite_path().exists(), "{}", missing.stderr);
}

#[test]
fn backup_and_restore_are_refused_for_postgresql() {
    let storage = Storage::postgres();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    for command in ["backup", "restore"] {
        let refused = storage.run(&[command, copy.to_str().unwrap()]);
        assert!(!refused.success && refused.stderr.contains("use pg_"), "{}", refused.stderr);
    }
}
