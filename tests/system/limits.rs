//! Limits: slow clients, many clients, slow requests, and too many requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism, sleep};
use std::time::{Duration, Instant};

use merchant_otp_tests::{DEVICES, ErrorCode, RawConnection, Server, Storage, UNKNOWN_TOKEN};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::faults::Lock;
use crate::{device, on_both_databases};

on_both_databases! {
    a_request_over_its_deadline_is_answered,
    too_many_waiting_requests_are_refused,
}

/// Writes a byte every 200 ms until the server responds or closes the connection. Returns the
/// response, and the time until then.
pub(crate) fn trickle(connection: &mut RawConnection, bytes: &[u8]) -> (String, Duration) {
    let begin = Instant::now();
    for byte in bytes.iter().cycle() {
        if !connection.write([*byte]) || connection.has_answer() {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(90), "it is never cut");
        sleep(Duration::from_millis(200));
    }
    let took = begin.elapsed();
    (connection.read_to_end(), took)
}

/// Raises the limit on open files of this process to the hard limit.
pub(crate) fn allow_descriptors() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

fn post(token: &str, length: usize) -> String {
    format!(
        "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

#[test]
fn slow_clients_are_disconnected_while_others_are_served() {
    let storage = Storage::sqlite();
    let limits = [("LIMITS__BODY_DEADLINE", "2"), ("LIMITS__STALL_TIMEOUT", "2")];
    let server = Server::start_with(&storage, &limits);
    let token = storage.token("shop", "all", "forever");
    // More than the socket buffers hold.
    for number in 0..400 {
        let mut device = device(&format!("till-{number}"));
        device["otp_device_description"] = json!("d".repeat(60_000));
        server.post("shop", &token, device.to_string()).expect_stored();
    }
    let ended = AtomicUsize::new(0);
    let (server, token, ended) = (&server, &*token, &ended);
    thread::scope(|scope| {
        let slow = |seconds: u64, client: fn(&Server, &str) -> String, expected: &'static str| {
            scope.spawn(move || {
                let begin = Instant::now();
                let reply = client(server, token);
                let took = begin.elapsed();
                assert!(took < Duration::from_secs(seconds), "{expected}: {took:?}");
                assert!(reply.starts_with(expected), "{expected}: {reply}");
                ended.fetch_add(1, Ordering::SeqCst);
            })
        };
        let clients = [
            // Slow heads, of the first and of the second request; no token is needed.
            slow(
                8,
                |server, _| trickle(&mut server.connect(), b"GET /config HTTP/1.1\r\nA: a").0,
                "HTTP/1.1 408 ",
            ),
            slow(
                14,
                |server, _| {
                    let mut connection = server.connect();
                    assert!(connection.write("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
                    assert!(connection.read_head().starts_with("HTTP/1.1 204 "));
                    trickle(&mut connection, b"GET /config HTTP/1.1\r\nA: a").0
                },
                "",
            ),
            // Slow bodies, with a valid token and without.
            slow(
                5,
                |server, token| {
                    let mut connection = server.connect();
                    assert!(connection.write(post(token, 100_000)));
                    trickle(&mut connection, b" ").0
                },
                "HTTP/1.1 408 ",
            ),
            slow(
                5,
                |server, _| {
                    let mut connection = server.connect();
                    assert!(connection.write(post(UNKNOWN_TOKEN, 100_000)));
                    trickle(&mut connection, b" ").0
                },
                "HTTP/1.1 401 ",
            ),
            // A response that the client does not read.
            slow(
                12,
                |server, token| {
                    let mut connection = server.connect();
                    assert!(connection.write(format!(
                        "GET {DEVICES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
                    )));
                    sleep(Duration::from_secs(8));
                    let reply = connection.read_to_end();
                    assert!(!reply.ends_with("0\r\n\r\n"), "it came whole");
                    reply
                },
                "HTTP/1.1 200 ",
            ),
        ];
        let mut number = 0;
        while clients.iter().any(|client| !client.is_finished()) {
            let begin = Instant::now();
            server
                .post("shop", token, device(&format!("other-{number}")).to_string())
                .expect_stored();
            assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
            number += 1;
            sleep(Duration::from_millis(100));
        }
        for client in clients {
            client.join().unwrap();
        }
    });
    assert_eq!(ended.load(Ordering::SeqCst), 5);
}

#[test]
fn no_more_connections_than_allowed_are_served() {
    let storage = Storage::sqlite();
    let settings =
        [("LIMITS__MAX_CONNECTIONS", "1"), ("LIMITS__MAX_CONNECTIONS_PER_ADDRESS", "1000")];
    let server = Server::start_with(&storage, &settings);
    let request = "GET /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // One connection for each thread.
    let threads = available_parallelism().unwrap().get();
    let idle: Vec<_> = (0..threads)
        .map(|_| {
            let mut connection = server.connect();
            assert!(connection.write("GET /config HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert!(connection.read_head().starts_with("HTTP/1.1 200 "));
            connection
        })
        .collect();
    let mut waiting = server.connect();
    assert!(waiting.write(request));
    sleep(Duration::from_secs(2));
    assert!(!waiting.has_answer(), "one more than allowed was served");
    // It is served once the others are closed.
    drop(idle);
    let begin = Instant::now();
    assert!(waiting.read_head().starts_with("HTTP/1.1 200 "));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());

    // The server closes idle connections: no client can hold one forever.
    let held: Vec<_> = (0..threads).map(|_| server.connect()).collect();
    let begin = Instant::now();
    assert_eq!(server.request("GET", "/config", &[], b"").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(held);
}

fn a_request_over_its_deadline_is_answered(storage: &Storage) {
    let server = Server::start_with(storage, &[("LIMITS__REQUEST_DEADLINE", "1")]);
    let token = storage.token("shop", "all", "forever");
    let post_device = |id: &str| server.post("shop", &token, device(id).to_string());
    post_device("before").expect_stored();
    let lock = Lock::take(storage);
    let begin = Instant::now();
    let late = post_device("during");
    let took = begin.elapsed();
    late.expect_error(503, ErrorCode::GenericDbStartFailed);
    assert_eq!(late.header("Retry-After"), Some("1"));
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&took), "{took:?}");
    lock.release();
    // The late request may have been applied or not; a repetition succeeds in both cases.
    post_device("during").expect_stored();

    // The time that the client takes for the body does not count.
    let body = device("slow").to_string();
    let mut connection = server.connect();
    assert!(connection.write(post(&token, body.len())));
    for part in body.as_bytes().chunks(body.len().div_ceil(5)) {
        sleep(Duration::from_millis(600));
        assert!(connection.write(part));
    }
    assert!(connection.read_head().starts_with("HTTP/1.1 204 "));
    let (_, log) = server.stop();
    assert!(log.contains("the request took longer than 1 s"), "{log}");
}

/// Requests are refused at once while 1,024 others wait for a connection; tokens are looked up on
/// other connections.
fn too_many_waiting_requests_are_refused(storage: &Storage) {
    const CLIENTS: usize = 1400;
    // Shorter than the time that requests wait for a connection, 5 s.
    const AT_ONCE: Duration = Duration::from_secs(3);
    allow_descriptors();
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let lock = Lock::take(storage);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        assert!(client.write(format!(
            "DELETE {DEVICES}/none-{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        )));
    }
    let begin = Instant::now();
    while !clients.iter().any(RawConnection::has_answer) {
        assert!(begin.elapsed() < AT_ONCE, "no request is refused");
        sleep(Duration::from_millis(10));
    }
    let mut answers = BTreeMap::<(String, String), usize>::new();
    for client in &mut clients {
        let reply = client.read_to_end();
        let status = reply.split(' ').nth(1).unwrap().to_owned();
        let code = reply.split("\"code\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
        assert_eq!(status == "503", reply.contains("\r\nretry-after: 1\r\n"), "{reply}");
        *answers.entry((status, code)).or_default() += 1;
    }
    // The deadline of a request is 30 s.
    assert!(begin.elapsed() < Duration::from_secs(32), "{:?}", begin.elapsed());
    lock.release();
    // No response reports anything but a busy database, or a device that does not exist.
    let busy = answers.remove(&("503".to_owned(), "51".to_owned())).unwrap();
    assert!(busy > CLIENTS / 2, "{busy}");
    answers.remove(&("500".to_owned(), "55".to_owned()));
    answers.remove(&("404".to_owned(), "2021".to_owned()));
    assert!(answers.is_empty(), "{answers:?}");
    server.post("shop", &token, device("till").to_string()).expect_stored();
}
