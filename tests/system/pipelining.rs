//! Requests that are sent before the former ones are answered.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use merchant_otp_tests::{DEVICES, KEY, Server, Storage};

use crate::limits::allow_descriptors;
use crate::{device, tls};

/// Sends requests until the server reads no more of them.
struct Flood {
    connection: TcpStream,
    sent: usize,
}

impl Flood {
    fn send(&mut self, requests: &[u8]) {
        let Some(rest) = requests.get(self.sent..).filter(|rest| !rest.is_empty()) else { return };
        match self.connection.write(rest) {
            Ok(sent) => self.sent += sent,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }
}

#[test]
fn pipelined_requests_take_bounded_memory() {
    const CONNECTIONS: usize = 200;
    // In KiB.
    const MAX_GROWTH: u64 = 128 * 1024;
    allow_descriptors();
    let storage = Storage::sqlite();
    let long = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40);
    let log_in = "POST /private/token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\
                  Content-Length: 2\r\n\r\n{}";
    let small = "GET / HTTP/1.1\r\nHost:\r\n\r\n".repeat(5000);
    let without_body = "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n".repeat(20_000);
    let field = format!("X: {}\r\n", "x".repeat(100_000));
    let large = format!("GET / HTTP/1.1\r\nHost:\r\n{field}\r\n").repeat(20);
    for requests in [long + &small, log_in.to_owned() + &small, without_body, large] {
        let server = Server::start(&storage);
        assert_eq!(server.request("GET", "/healthz", &[], b"").status, 204);
        let before = server.peak_memory();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = TcpStream::connect(server.address()).unwrap();
            connection.set_nonblocking(true).unwrap();
            clients.push(Flood { connection, sent: 0 });
        }
        let mut waits = Vec::new();
        for _ in 0..40 {
            for client in &mut clients {
                client.send(requests.as_bytes());
            }
            let begin = Instant::now();
            assert_eq!(server.request("GET", "/healthz", &[], b"").status, 204);
            waits.push(begin.elapsed());
            sleep(Duration::from_millis(50));
        }
        // The median: an unoptimized binary, beside other tests.
        waits.sort();
        assert!(waits[20] < Duration::from_secs(1), "{waits:?}");
        let grown = server.peak_memory() - before;
        assert!(grown < MAX_GROWTH, "{grown} KiB for {}", &requests[..60]);
    }
}

/// Sends many requests at once, and compares the answers with the requests.
fn expect_answers_in_order(mut connection: impl Read + Write, token: &str) {
    let tills: Vec<_> = (0_usize..300).map(|number| number * number % 7 % 3).collect();
    let mut requests = String::new();
    for till in &tills {
        let path = format!("{DEVICES}/till-{till}");
        let head = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer";
        write!(requests, "GET {path} {head} {token}\r\n\r\n").unwrap();
    }
    requests += "GET /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    connection.write_all(requests.as_bytes()).unwrap();
    let mut replies = String::new();
    connection.read_to_string(&mut replies).unwrap();
    let described = replies.split("\"device_description\":\"Till ").skip(1);
    let answered: Vec<usize> =
        described.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
    assert_eq!(answered, tills);
    assert!(replies.contains("taler-merchant"), "the last request was not answered");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let storage = Storage::sqlite();
    let token = storage.token("shop", "all", "forever");
    let server = Server::start(&storage);
    for number in 0..3 {
        let mut device = device(&format!("till-{number}"));
        device["otp_device_description"] = format!("Till {number}").into();
        server.post("shop", &token, device.to_string()).expect_stored();
    }
    expect_answers_in_order(TcpStream::connect(server.address()).unwrap(), &token);
    server.stop();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.sock");
    let listen = format!("unix:{}", path.display());
    let server = Server::start_with(&storage, &[("HTTP__LISTEN", &listen)]);
    expect_answers_in_order(UnixStream::connect(&path).unwrap(), &token);
    server.stop();

    let files = tls::Files::new();
    let certificate = files.renew();
    let server = tls::start(&storage, &files);
    expect_answers_in_order(tls::connect(&server, &certificate), &token);
    server.stop();
}

/// The service counts empty lines to find out how many requests wait.
#[test]
fn bodies_of_empty_lines_are_received() {
    let storage = Storage::sqlite();
    let token = storage.token("shop", "all", "forever");
    let server = Server::start(&storage);
    let body = |id: &str| {
        let lines = "\n".repeat(500_000);
        format!(
            "{{{lines}\"otp_device_id\":\"{id}\",{lines}\"otp_device_description\":\"x\",\
             \"otp_key\":\"{KEY}\",\"otp_algorithm\":1}}"
        )
    };
    let head = format!("POST {DEVICES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n");
    let (first, second) = (body("first"), body("second"));
    let mut connection = server.connect();
    assert!(connection.write(format!("{head}Content-Length: {}\r\n\r\n{first}", first.len())));
    assert_eq!(connection.read_reply("POST").status, 204);
    // Further requests follow at once.
    assert!(connection.write(format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{second}\r\n0\r\n\r\n{}",
        second.len(),
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40)
    )));
    for _ in 0..41 {
        assert_eq!(connection.read_reply("GET").status, 204);
    }
    server.stop();
}
