//! The first start on an empty database.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use merchant_otp_tests::{Output, Server, Storage, binary, days_between, succeeds, wait_until};

/// Starts a server that prints the first token although its output is no terminal.
fn start_and_print(storage: &Storage) -> Server {
    let listen = [("HTTP__LISTEN", "127.0.0.1:0")];
    Server::spawn(storage.command(&["serve", "--print-token"], &listen))
}

#[test]
fn the_first_start_shows_the_token_of_admin_once_if_asked() {
    let storage = Storage::sqlite();
    let server = start_and_print(&storage);
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
    // It is valid for 30 days, and the output says so.
    let listed = succeeds(storage.run(&["token", "list", "--instance", "admin"]));
    let row: Vec<_> = listed.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!(days_between(row[2], row[3]), 30);
    assert!(shown.contains(&format!("valid until {}", row[3])), "{shown}");

    let server = start_and_print(&storage);
    let headers = [("Authorization", authorization)];
    server.request("POST", "/private/otp-devices", &headers, body.as_bytes()).expect_stored();
    let (shown, _) = server.stop();
    assert_eq!(shown, "", "it is shown again");
}

/// The output may be the log of a container or a journal.
#[test]
fn the_token_is_not_written_to_anything_but_a_terminal() {
    let storage = Storage::sqlite();
    let (shown, log) = Server::start(&storage).stop();
    assert!(shown.contains("merchant-otp token add --instance admin"), "{shown}");
    assert!(!format!("{shown}{log}").contains("secret-token:"), "{shown}{log}");
    // No token was issued without being shown.
    let listed = storage.run(&["token", "list", "--instance", "admin"]).stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn the_token_is_written_to_a_terminal() {
    let storage = Storage::sqlite();
    // `script` runs a command in a terminal of its own. The server ends when a line is read.
    let serve = "\"$BINARY\" & read -r line; kill $!; wait";
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", serve, "/dev/null"])
        .env("BINARY", binary())
        .env("MERCHANT_OTP__STORAGE__URL", storage.url())
        .env("MERCHANT_OTP__HTTP__LISTEN", "127.0.0.1:0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = terminal.stdin.take().unwrap();
    let mut lines = BufReader::new(terminal.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is_shown = lines.any(|line| line.trim().starts_with("secret-token:"));
    writeln!(input).unwrap();
    lines.for_each(drop);
    terminal.wait().unwrap();
    assert!(is_shown);
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
    let (shown, _) = start_and_print(&storage).stop();
    assert!(shown.contains("secret-token:"), "{shown}");
}
