//! The commands of the binary.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use merchant_otp_tests::{
    ErrorCode, Output, Server, Storage, StorageKind, binary, command, days_between, fails, succeeds,
};

use crate::{device, on_both_databases};

on_both_databases! {
    instances_are_added_listed_and_removed,
    tokens_are_added_listed_and_revoked,
    errors_suggest_what_to_do,
    pending_migrations_are_applied_or_refused,
    invisible_characters_are_escaped,
}

/// In all output for people, JSON and the log included: a terminal must not interpret them.
fn invisible_characters_are_escaped(storage: &Storage) {
    const INVISIBLE: [char; 3] = ['\u{202e}', '\u{2066}', '\u{2028}'];
    let text: String = ['a'].into_iter().chain(INVISIBLE).collect();
    succeeds(storage.run(&["instance", "add", "shop", "--name", &text]));
    let server = Server::start(storage);
    let token = succeeds(storage.run(&["token", "add", "--instance", "shop", "--scope", "all"]));
    server.post("shop", token.trim(), device(&text).to_string()).expect_stored();
    let mut outputs = vec![
        succeeds(storage.run(&["instance", "list"])),
        succeeds(storage.run(&["device", "list", "--instance", "shop"])),
        succeeds(storage.run(&["device", "show", "--instance", "shop", "--id", &text])),
        succeeds(storage.run(&["audit", "list", "--instance", "shop"])),
    ];
    for output in &outputs {
        assert!(output.contains("a\\u{202e}\\u{2066}\\u{2028}"), "{output}");
    }
    let json = succeeds(storage.run(&["audit", "list", "--instance", "shop", "--json"]));
    let (_, log) = server.stop();
    for output in [&json, &log] {
        assert!(output.contains("a\\u202e\\u2066\\u2028"), "{output}");
    }
    outputs.extend([json, log]);
    assert!(!outputs.iter().any(|output| output.contains(INVISIBLE)), "{outputs:?}");
}

fn instances_are_added_listed_and_removed(storage: &Storage) {
    // Before the first start of the service.
    for (id, name) in [("shop", "Käse & mehr"), ("admin", "Admin"), ("shop", "Käse & mehr")] {
        succeeds(storage.run(&["instance", "add", id, "--name", name]));
    }
    assert_eq!(succeeds(storage.run(&["instance", "list"])), "admin\tAdmin\nshop\tKäse & mehr\n");

    // While the service runs.
    let server = Server::start(storage);
    let token = storage.token("other", "all", "forever");
    server.post("other", &token, device("till").to_string()).expect_stored();
    succeeds(storage.run(&["instance", "remove", "other"]));
    server
        .post("other", &token, device("till").to_string())
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    fails(storage.run(&["instance", "remove", "other"]), "merchant-otp instance list");
}

fn tokens_are_added_listed_and_revoked(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let add = ["token", "add", "--instance", "shop", "--scope"];
    let first = storage.run(&[&add[..], &["all"]].concat());
    let options = ["readonly:refreshable", "--duration", "30d", "--description", "Büro\n2"];
    let month = succeeds(storage.run(&[&add[..], &options].concat()));
    for token in [&first.stdout, &month] {
        let secret = token.strip_prefix("secret-token:").unwrap().strip_suffix('\n').unwrap();
        // 256 bits, 5 per character.
        assert_eq!(secret.len(), 52, "{token}");
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    }
    assert_ne!(first.stdout, month);
    let said = first.stderr;

    let listed = succeeds(storage.run(&["token", "list", "--instance", "shop"]));
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    let [header, first, second] = &*rows else { panic!("{listed}") };
    assert_eq!(header, &["SERIAL", "SCOPE", "CREATED", "EXPIRES", "DESCRIPTION"]);
    assert_eq!((first[1], first[4]), ("all", ""));
    assert_eq!((second[1], second[4]), ("readonly:refreshable", "Büro\\n2"));
    assert!(second[3] > second[2], "{listed}");
    // Without a duration, a token for everything is valid for 30 days; others do not expire.
    assert_eq!(days_between(first[2], first[3]), 30);
    assert_eq!(said, format!("the access token is valid until {}\n", first[3]));
    for scope in ["readonly", "order-simple", "order-pos", "order-mgmt", "order-full"] {
        let added = storage.run(&[&add[..], &[scope]].concat());
        assert!(added.success && added.stderr.is_empty(), "{}", added.stderr);
        let listed = succeeds(storage.run(&["token", "list", "--instance", "shop"]));
        let row: Vec<_> = listed.lines().last().unwrap().split('\t').collect();
        assert_eq!((row[1], row[3]), (scope, "never"), "{listed}");
        succeeds(storage.run(&["token", "revoke", "--instance", "shop", row[0]]));
    }
    let forever = ["all:refreshable", "--duration", "forever"];
    succeeds(storage.run(&[&add[..], &forever].concat()));
    let listed = succeeds(storage.run(&["token", "list", "--instance", "shop"]));
    let row: Vec<_> = listed.lines().last().unwrap().split('\t').collect();
    assert_eq!((row[1], row[3]), ("all:refreshable", "never"), "{listed}");
    succeeds(storage.run(&["token", "revoke", "--instance", "shop", row[0]]));
    assert!(!listed.contains("secret-token"), "{listed}");

    succeeds(storage.run(&["token", "revoke", "--instance", "shop", first[0]]));
    fails(storage.run(&["token", "revoke", "--instance", "shop", first[0]]), "token list");
    let listed = succeeds(storage.run(&["token", "list", "--instance", "shop"]));
    assert_eq!(listed.lines().count(), 2, "{listed}");
    succeeds(storage.run(&[&add[..], &["all"]].concat()));
    let other = storage.token("other", "all", "forever");
    succeeds(storage.run(&["token", "revoke", "--instance", "shop", "--all"]));
    let listed = succeeds(storage.run(&["token", "list", "--instance", "shop"]));
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let server = Server::start(storage);
    server.post("other", &other, device("till").to_string()).expect_stored();
    fails(storage.run(&["token", "revoke", "--instance", "shop"]), "SERIAL");
}

fn errors_suggest_what_to_do(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let token_add = ["token", "add", "--instance", "nobody", "--scope", "all"];
    for (arguments, message) in [
        (&["instance", "add", "shop", "--name", "Other"][..], "already exists"),
        (&["instance", "add", "a/b", "--name", "x"], "^[A-Za-z0-9]"),
        (&["instance", "add", "shop"], "--name"),
        (&token_add, "merchant-otp instance add"),
        (&["token", "list", "--instance", "nobody"], "merchant-otp instance list"),
        (&["token", "add", "--instance", "shop", "--scope", "root"], "order-simple"),
        (
            &["token", "add", "--instance", "shop", "--scope", "all", "--duration", "x"],
            "--duration",
        ),
        (&["token", "revoke", "--instance", "shop", "one"], "SERIAL"),
        (&["serv"], "serve"),
        (&["--config", "/nonexistent.toml", "config"], "/nonexistent.toml"),
    ] {
        fails(storage.run(arguments), message);
    }
}

fn pending_migrations_are_applied_or_refused(storage: &Storage) {
    match storage.kind() {
        StorageKind::Sqlite(_) => fails(storage.run(&["serve", "--no-migrate"]), "storage.url"),
        StorageKind::Postgres(_) => {
            fails(storage.run(&["serve", "--no-migrate"]), "run `merchant-otp migrate`");
        }
    }
    assert!(succeeds(storage.run(&["migrate"])).contains("applied "));
    assert_eq!(succeeds(storage.run(&["migrate"])), "the database is up to date\n");
    Server::start_without_migrating(storage).stop();
    storage.execute("DELETE FROM __diesel_schema_migrations");
    fails(storage.run(&["serve", "--no-migrate"]), "run `merchant-otp migrate`");
}

/// The password is requested twice, and the terminal does not show it.
#[test]
fn a_password_is_typed_on_a_terminal() {
    let storage = Storage::sqlite();
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let server = Server::start(&storage);
    let type_in = |first: &str, second: &str| {
        let set = format!("'{}' instance set-password shop", binary().display());
        // `script` runs a command in a terminal of its own.
        let mut terminal = Command::new("script")
            .args(["--quiet", "--return", "--command", &set, "/dev/null"])
            .env("MERCHANT_OTP__STORAGE__URL", storage.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, mut output) =
            (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
        let mut shown = String::new();
        for (prompt, typed) in [("New password: ", first), ("Repeat the new password: ", second)] {
            while !shown.ends_with(prompt) {
                let mut byte = [0];
                output.read_exact(&mut byte).unwrap();
                shown.push(byte[0].into());
            }
            // The echo of the terminal is turned off right after the prompt.
            thread::sleep(Duration::from_secs(1));
            writeln!(input, "{typed}").unwrap();
        }
        output.read_to_string(&mut shown).unwrap();
        assert!(!shown.contains("hunter"), "{shown}");
        (terminal.wait().unwrap().success(), shown)
    };
    let log_in = |password: &str| server.log_in("shop", password, r#"{"scope": "all"}"#).status;
    assert!(type_in("hunter2", "hunter2").0);
    assert_eq!(log_in("hunter2"), 200);
    let (success, shown) = type_in("hunter3", "hunter4");
    assert!(!success);
    assert!(shown.contains("the password was not changed"), "{shown}");
    assert_eq!(log_in("hunter2"), 200);
}

#[test]
fn the_effective_settings_are_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "[http]\nlisten = \"[::1]:1\"\n[limits]\nmax_body_bytes = 7").unwrap();
    let settings =
        [("STORAGE__URL", "postgres://u:hunter2@h/d"), ("HTTP__LISTEN", "unix:/run/otp.sock")];
    let shown =
        succeeds(Output::of(command(&["config", "--config", file.to_str().unwrap()], &settings)));
    for line in ["listen = \"unix:/run/otp.sock\"", "max_body_bytes = 7", "shutdown_grace = 30"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_wrong_setting_is_named() {
    for (name, value, message) in [
        ("HTTP__LISTEN", "everywhere", "http.listen"),
        ("HTTP__PORT", "80", "port"),
        ("STORAGE__URL", "hunter2:x", "storage.url"),
        ("STORAGE__URL", "postgres://u:hunter2@h:port/d", "storage.url"),
        ("STORAGE__CONNECTIONS", "few", "storage.connections"),
    ] {
        let output = Output::of(command(&["serve"], &[(name, value)]));
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
        fails(output, message);
    }
}

#[test]
fn too_few_connections_for_postgresql_are_refused() {
    let url = ("STORAGE__URL", "postgres://u:hunter2@127.0.0.1:1/d");
    let list = |connections| {
        Output::of(command(&["instance", "list"], &[url, ("STORAGE__CONNECTIONS", connections)]))
    };
    let refused = list("2");
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    fails(refused, "storage.connections: PostgreSQL needs at least 3 connections");
    fails(list("3"), "the database cannot be reached");
}

/// Each worker needs two connections to PostgreSQL, and the rest of the service needs one.
#[test]
fn more_workers_than_the_connections_allow_are_refused() {
    let serve = |workers: &str, connections: &str| {
        let settings = [
            ("STORAGE__URL", "postgres://u:hunter2@127.0.0.1:1/d"),
            ("STORAGE__CONNECTIONS", connections),
            ("HTTP__WORKERS", workers),
        ];
        let output = Output::of(command(&["serve"], &settings));
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
        output
    };
    fails(serve("4", "8"), "http.workers: 8 connections to PostgreSQL (storage.connections)");
    fails(serve("2", "4"), "support at most 1 workers, ");
    for (workers, connections) in [("4", "9"), ("1", "3"), ("0", "3")] {
        fails(serve(workers, connections), "the database cannot be reached");
    }
}

#[test]
fn an_unreachable_database_is_reported_without_its_url() {
    let url = "postgres://u:hunter2@127.0.0.1:1/d";
    let output = Output::of(command(&["instance", "list"], &[("STORAGE__URL", url)]));
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    fails(output, "the database cannot be reached");
}

#[test]
fn the_help_names_the_commands() {
    let help = succeeds(Output::of(command(&["--help"], &[])));
    for word in ["serve", "instance", "token", "migrate", "config", "MERCHANT_OTP__HTTP__LISTEN"] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn a_unix_socket_is_served_taken_over_and_removed() {
    let storage = Storage::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.sock");
    let listen = format!("unix:{}", path.display());
    for abandoned in [true, false] {
        let server = Server::start_with(&storage, &[("HTTP__LISTEN", &listen)]);
        assert_eq!(server.address(), listen);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");

        // A second server does not take over the socket of a running one.
        let other = Storage::sqlite();
        let url = other.url();
        let settings = [("STORAGE__URL", &*url), ("HTTP__LISTEN", &*listen)];
        fails(Output::of(command(&["serve"], &settings)), "cannot listen");
        if abandoned {
            server.kill();
            assert!(path.exists());
        } else {
            server.stop();
            assert!(!path.exists());
        }
    }
}

#[test]
fn a_file_in_the_place_of_a_socket_is_left_alone() {
    let storage = Storage::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let (url, listen) = (storage.url(), format!("unix:{}", path.display()));
    let settings = [("STORAGE__URL", &*url), ("HTTP__LISTEN", &*listen)];
    fails(Output::of(command(&["serve"], &settings)), "cannot listen");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

#[test]
fn a_closed_log_stops_nothing() {
    let storage = Storage::sqlite();
    let mut server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    server.close_log();
    for number in 0..20 {
        server.post("shop", &token, device(&format!("till {number}")).to_string()).expect_stored();
    }
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn completions_and_manual_pages_are_generated() {
    let storage = Storage::sqlite();
    let bash = storage.run(&["completions", "bash"]);
    assert!(bash.success && bash.stdout.contains("set-password"), "{}", bash.stderr);
    let folder = tempfile::tempdir().unwrap();
    let written = storage.run(&["man", folder.path().to_str().unwrap()]);
    assert!(written.success, "{}", written.stderr);
    for page in ["merchant-otp.1", "merchant-otp-serve.1", "merchant-otp-instance-set-password.1"] {
        let page = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(page.contains(".SH NAME"), "{page}");
    }
    assert!(!storage.run(&["man", "/nowhere"]).success);
    // No page is overwritten, and none is written if one exists.
    let page = folder.path().join("merchant-otp-serve.1");
    std::fs::write(&page, "data").unwrap();
    std::fs::remove_file(folder.path().join("merchant-otp.1")).unwrap();
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    fails(storage.run(&["man", folder.path().to_str().unwrap()]), "already exists");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "data");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
}
