//! The first start on an empty database.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use merchant_otp_tests::{Output, Server, Storage, wait_until};

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
        let shown = fs::read_to_string(output.path()).unwrap();
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

/// The others are refused, and name the one that serves.
#[test]
fn one_of_several_concurrent_first_starts_serves() {
    for _ in 0..5 {
        let storage = Storage::sqlite();
        let output = tempfile::NamedTempFile::new().unwrap();
        let start = || {
            let mut serve = storage.command(&["serve"], &[("HTTP__LISTEN", "127.0.0.1:0")]);
            let append = OpenOptions::new().append(true).open(output.path()).unwrap();
            serve.stdout(append).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut processes = [(); 4].map(|()| start());
        wait_until("all but one are refused", || {
            processes.iter_mut().filter_map(|one| one.try_wait().unwrap()).count() == 3
        });
        let shown = || fs::read_to_string(output.path()).unwrap();
        wait_until("it serves", || shown().contains("Created the instance `admin`"));
        let mut running = processes.iter_mut();
        let running = running.find_map(|one| one.try_wait().unwrap().is_none().then_some(one));
        let running = running.unwrap();
        let name = format!("process {} on ", running.id());
        running.kill().unwrap();
        let errors = processes.map(|one| one.wait_with_output().unwrap().stderr);
        let errors = errors.map(|error| String::from_utf8(error).unwrap());
        let refused = |error: &&String| error.contains(&name) && error.contains("use PostgreSQL");
        assert_eq!(errors.iter().filter(refused).count(), 3, "{errors:?}");
        assert_eq!(shown().matches("Created").count(), 1);
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
