//! The first start on an empty database.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use merchant_otp_tests::{Output, Server, Storage};

#[test]
fn the_first_start_shows_the_token_of_admin_once() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage);
    let address = server.address().to_owned();
    let (shown, log) = server.stop();

    // Paste the `curl` line that is shown into a shell whose `curl` prints its arguments.
    let curl = shown.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}; {curl}");
    let given = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
    let given = String::from_utf8(given).unwrap();
    let given: Vec<_> = given.split_terminator('\0').collect();
    let ["-i", "-H", header, "-d", body, url] = &*given else { panic!("{given:?}") };
    assert_eq!(*url, format!("http://{address}/private/otp-devices"));
    let authorization = header.strip_prefix("Authorization: ").unwrap();
    let token = authorization.strip_prefix("Bearer ").unwrap();
    assert!(shown.lines().any(|line| line.trim() == token), "{shown}");
    assert!(!log.contains(token), "the log holds the token");

    let server = Server::start(&storage);
    let headers = [("Authorization", authorization)];
    server.request("POST", "/private/otp-devices", &headers, body.as_bytes()).expect_stored();
    let (shown, _) = server.stop();
    assert_eq!(shown, "", "it is shown again");
}

#[test]
fn a_journal_does_not_get_the_token() {
    let storage = Storage::sqlite();
    let mut serve = storage.command(&[], &[("HTTP__LISTEN", "127.0.0.1:0")]);
    let output = tempfile::NamedTempFile::new().unwrap();
    let journal = output.as_file().metadata().unwrap();
    serve.env("JOURNAL_STREAM", format!("{}:{}", journal.dev(), journal.ino()));
    serve.stdout(output.reopen().unwrap());
    let mut process = serve.spawn().unwrap();
    let shown = loop {
        let shown = std::fs::read_to_string(output.path()).unwrap();
        if shown.ends_with('\n') || process.try_wait().unwrap().is_some() {
            break shown;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(shown.contains("merchant-otp token add --instance admin"), "{shown}");
    assert!(!shown.contains("secret-token:"), "{shown}");
    // No token was issued without being shown.
    let listed = storage.run(&["token", "list", "--instance", "admin"]).stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn an_inherited_journal_variable_does_not_hide_the_token() {
    let storage = Storage::sqlite();
    let server = Server::start_with_environment(&storage, &[], &[("JOURNAL_STREAM", "8:1")]);
    let (shown, _) = server.stop();
    assert!(shown.contains("secret-token:"), "{shown}");
}

#[test]
fn one_of_several_concurrent_first_starts_shows_a_token() {
    for _ in 0..5 {
        let storage = Storage::sqlite();
        let shown: Vec<_> = std::thread::scope(|scope| {
            let servers: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::start(&storage))).collect();
            servers.into_iter().map(|server| server.join().unwrap().stop().0).collect()
        });
        let tokens = shown.concat().matches("keep it").count();
        assert_eq!(tokens, 1, "{shown:?}");
    }
}

#[test]
fn a_prepared_database_gets_no_admin() {
    let storage = Storage::sqlite();
    assert!(storage.run(&["instance", "add", "shop", "--name", "Shop"]).success);
    let (shown, _) = Server::start(&storage).stop();
    assert_eq!(shown, "");
    assert_eq!(storage.run(&["instance", "list"]).stdout, "shop\tShop\n");
}

#[test]
fn only_the_schema_is_created_on_postgresql() {
    let storage = Storage::postgres();
    let (shown, _) = Server::start(&storage).stop();
    assert_eq!(shown, "");
    assert_eq!(storage.run(&["instance", "list"]).stdout, "");
}

#[test]
fn a_failed_start_does_not_use_up_the_token() {
    let storage = Storage::sqlite();
    let other = Server::start(&Storage::sqlite());
    let serve = storage.command(&["serve"], &[("HTTP__LISTEN", other.address())]);
    let failed = Output::of(serve);
    assert!(!failed.success);
    assert!(failed.stderr.contains(other.address()), "{}", failed.stderr);
    assert_eq!(failed.stdout, "");
    let (shown, _) = Server::start(&storage).stop();
    assert!(shown.contains("secret-token:"), "{shown}");
}
