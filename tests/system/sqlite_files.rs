//! SQLite: what is found beside a database is never destroyed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use merchant_otp_tests::{
    DEVICES, ErrorCode, Server, Storage, fails, listed_devices, succeeds, wait_until,
};

use crate::device;

/// The path of a file beside the database.
fn beside(storage: &Storage, suffix: &str) -> PathBuf {
    let mut path = storage.sqlite_path().into_os_string();
    path.push(suffix);
    path.into()
}

/// Puts a file in the place of the database, without its log.
fn put(file: &Path, storage: &Storage) {
    let new = beside(storage, ".new");
    fs::copy(file, &new).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, storage.sqlite_path()).unwrap();
}

/// A service with many acknowledged devices, the newest of which only its log holds.
fn busy_service(storage: &Storage) -> (Server, String) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for number in 0..30 {
        server.post("shop", &token, device(&format!("till {number}")).to_string()).expect_stored();
    }
    (server, token)
}

fn stop(server: Server, kill: bool) {
    if kill {
        server.kill();
    } else {
        server.stop();
    }
}

/// Commands that are no start: each must create nothing.
fn commands(copy: &str) -> Vec<Vec<&str>> {
    [
        "instance list",
        "instance add new --name New",
        "instance set-password shop",
        "instance remove shop",
        "token list --instance shop",
        "token add --instance shop --scope all",
        "token revoke --instance shop --all",
        "device list --instance shop",
        "device show --instance shop --id till",
        "device remove --instance shop --id till",
        "device code --instance shop --id till",
        "device add --instance shop --id till --description Till",
        "audit list --instance shop",
        "key status",
        "key rotate",
        "migrate",
        "migrate --accept-file",
        "backup /nonexistent/copy.db",
        "serve",
        "serve --no-migrate",
    ]
    .iter()
    .map(|line| line.split(' ').collect())
    .chain([vec!["restore", copy]])
    .collect()
}

/// The files beside the database, except those that name a process or are empty.
fn files(storage: &Storage) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(storage.sqlite_path().parent().unwrap()).unwrap();
    let files = entries.map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    });
    files.filter(|(name, content)| !name.ends_with("-service") && !content.is_empty()).collect()
}

#[test]
fn a_lost_file_is_not_replaced_by_a_new_database() {
    for kill in [false, true] {
        let storage = Storage::sqlite();
        let (server, token) = busy_service(&storage);
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        let copy = copy.to_str().unwrap();
        succeeds(storage.run(&["backup", copy]));
        let away = folder.path().join("away.db");
        fs::rename(storage.sqlite_path(), &away).unwrap();
        let post = |id: &str| server.post("shop", &token, device(id).to_string());
        post("during").expect_error(500, ErrorCode::GenericDbStartFailed);
        stop(server, kill);

        let before = files(&storage);
        for command in commands(copy) {
            let output = storage.run_with_input(&command, "a password\n");
            assert!(!output.success, "{command:?}: {}", output.stdout);
            let error = &output.stderr;
            assert!(error.contains("is missing, but there was one: "), "{command:?}: {error}");
            for path in [storage.sqlite_path(), beside(&storage, "-lock")] {
                assert!(error.contains(path.to_str().unwrap()), "{command:?}: {error}");
            }
            assert!(error.contains("put the database back"), "{command:?}: {error}");
            assert_eq!(
                files(&storage).keys().collect::<Vec<_>>(),
                before.keys().collect::<Vec<_>>()
            );
        }
        assert!(files(&storage) == before, "a file was changed");

        fs::rename(&away, storage.sqlite_path()).unwrap();
        let server = Server::start(&storage);
        assert_eq!(listed_devices(&server, &token).len(), 30);
    }
}

#[test]
fn commands_that_are_no_start_create_no_database() {
    let storage = Storage::sqlite();
    let folder = storage.sqlite_path().parent().unwrap().to_owned();
    for command in commands("/nonexistent/copy.db") {
        if ["migrate", "instance add new --name New", "serve"].contains(&&*command.join(" ")) {
            continue;
        }
        let output = storage.run_with_input(&command, "a password\n");
        assert!(!output.success, "{command:?}: {}", output.stdout);
        assert!(!folder.exists(), "{command:?}: {}", output.stderr);
    }
    fails(storage.run(&["instance", "list"]), "merchant-otp instance add");
    // Those that create a database say so.
    let added = storage.run(&["instance", "add", "shop", "--name", "Shop"]);
    let created = format!("created the database {}", storage.sqlite_path().display());
    assert!(added.success && added.stderr.contains(&created), "{}", added.stderr);
    let again = storage.run(&["instance", "add", "shop", "--name", "Shop"]);
    assert!(again.success && !again.stderr.contains("created"), "{}", again.stderr);
    let storage = Storage::sqlite();
    let created = format!("created the database {}\n", storage.sqlite_path().display());
    assert!(succeeds(storage.run(&["migrate"])).starts_with(&created));
    assert!(!succeeds(storage.run(&["migrate"])).contains("created"));
    let (_, log) = Server::start(&Storage::sqlite()).stop();
    assert!(log.contains("created database"), "{log}");
}

/// How a copy is made while the service runs.
const COPIES: [&str; 2] = ["backup", "VACUUM"];

#[test]
fn a_replaced_file_is_not_opened_with_the_log_of_the_former_one() {
    for (copied, kill) in COPIES.into_iter().zip([false, true]) {
        let storage = Storage::sqlite();
        let (server, token) = busy_service(&storage);
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        match copied {
            "backup" => drop(succeeds(storage.run(&["backup", copy.to_str().unwrap()]))),
            _ => storage.execute(&format!("VACUUM INTO '{}'", copy.display())),
        }
        // Devices that are not in the copy.
        let post = |id: &str| server.post("shop", &token, device(id).to_string());
        for number in 0..30 {
            post(&format!("later {number}")).expect_stored();
        }
        let former = folder.path().join("former.db");
        fs::rename(storage.sqlite_path(), &former).unwrap();
        put(&copy, &storage);
        for _ in 0..3 {
            post("during").expect_error(500, ErrorCode::GenericDbStartFailed);
        }
        wait_until("the replacement is logged", || {
            server.log().contains("was replaced while the service runs")
        });
        let process = format!("process {} on ", server.id());
        fails(storage.run(&["migrate", "--accept-file"]), &process);
        stop(server, kill);

        let before = files(&storage);
        let accept = "run `merchant-otp migrate --accept-file`";
        for command in [&["serve"][..], &["serve", "--no-migrate"], &["instance", "list"]] {
            fails(storage.run(command), accept);
        }
        assert!(files(&storage) == before, "{copied}: a file was changed");

        // Either the former file is put back, with everything that was acknowledged…
        let (path, present) = (storage.sqlite_path(), folder.path().join("present.db"));
        fs::rename(&path, &present).unwrap();
        if kill {
            fs::rename(&former, &path).unwrap();
            let server = Server::start(&storage);
            assert_eq!(listed_devices(&server, &token).len(), 60, "{copied}");
            continue;
        }
        // …or the present one is accepted, and the log is kept.
        fs::rename(&present, &path).unwrap();
        let accepted = succeeds(storage.run(&["migrate", "--accept-file"]));
        assert!(accepted.contains("-wal.1\n"), "{accepted}");
        assert!(fs::metadata(beside(&storage, "-wal.1")).unwrap().len() > 0);
        assert_eq!(
            succeeds(storage.run(&["migrate", "--accept-file"])),
            "the database is up to date\n"
        );
        let server = Server::start(&storage);
        assert_eq!(listed_devices(&server, &token).len(), 30, "{copied}");
        server.post("shop", &token, device("after").to_string()).expect_stored();
        server.stop();
        assert_eq!(
            succeeds(storage.run(&["device", "list", "--instance", "shop"])).lines().count(),
            31
        );
    }
}

/// The former service ends while another one runs in its place: it must not remove the new log.
#[test]
fn a_service_whose_files_were_moved_away_removes_no_log() {
    let storage = Storage::sqlite();
    let (former, _) = busy_service(&storage);
    let copy = storage.key_path("copy.db");
    succeeds(storage.run(&["backup", copy.to_str().unwrap()]));
    let away = storage.key_path("away");
    fs::create_dir(&away).unwrap();
    for suffix in ["", "-wal", "-shm", "-lock", "-service"] {
        fs::rename(beside(&storage, suffix), away.join(format!("db{suffix}"))).unwrap();
    }
    succeeds(storage.run(&["restore", copy.to_str().unwrap()]));
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("new").to_string()).expect_stored();
    let log = fs::metadata(beside(&storage, "-wal")).unwrap().len();
    assert!(log > 0);
    former.stop();
    assert_eq!(fs::metadata(beside(&storage, "-wal")).unwrap().len(), log);
    server.kill();
    let server = Server::start(&storage);
    assert_eq!(listed_devices(&server, &token).len(), 31);
    assert!(fs::metadata(away.join("db-wal")).unwrap().len() > 0);
}

/// Like a master key.
#[test]
fn a_database_that_others_can_access_is_refused() {
    let storage = Storage::sqlite();
    let (server, token) = busy_service(&storage);
    server.kill();
    let set = |suffix: &str, mode| {
        fs::set_permissions(beside(&storage, suffix), Permissions::from_mode(mode)).unwrap();
    };
    for (suffix, mode) in [("", 0o604), ("", 0o666), ("", 0o601), ("-wal", 0o644)] {
        set(suffix, mode);
        let chmod = format!("run `chmod o= {}`", beside(&storage, suffix).display());
        for command in [&["serve"][..], &["instance", "list"], &["migrate"]] {
            fails(storage.run(command), &chmod);
        }
        set(suffix, 0o600);
    }
    set("", 0o660);
    let server = Server::start(&storage);
    assert_eq!(listed_devices(&server, &token).len(), 30);
}

#[test]
fn a_second_service_is_refused_while_commands_work() {
    let storage = Storage::sqlite();
    let (server, token) = busy_service(&storage);
    for arguments in [&["serve"][..], &["serve", "--no-migrate"]] {
        let refused = storage.run_with(arguments, &[("HTTP__LISTEN", "127.0.0.1:0")]);
        let process = format!("process {} on ", server.id());
        assert!(!refused.success && refused.stderr.contains(&process), "{}", refused.stderr);
        assert!(refused.stderr.contains("use PostgreSQL"), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    succeeds(storage.run(&["token", "list", "--instance", "shop"]));
    assert_eq!(server.call("GET", &format!("{DEVICES}/till%200"), &token, "").status, 200);
    server.kill();
    Server::start(&storage).stop();
}
