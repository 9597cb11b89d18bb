//! Connections: those of one address, those of monitoring, file descriptors, and slow clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use merchant_otp_tests::{DEVICES, Server, Storage, wait_until};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::device;
use crate::limits::{allow_descriptors, trickle};
use crate::operations::free_address;

/// A connection from this address of the machine.
fn connect_from(source: &str, server: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: SocketAddr = format!("{source}:0").parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&server.parse::<SocketAddr>().unwrap().into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Whether a request on a new connection is answered; the connection stays open.
fn is_answered(mut connection: &TcpStream) -> bool {
    if connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").is_err() {
        return false;
    }
    let mut status = [0; 12];
    connection.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 204"
}

#[test]
fn one_address_cannot_take_all_connections() {
    let storage = Storage::sqlite();
    let server = Server::start_with(&storage, &[("LIMITS__MAX_CONNECTIONS", "40")]);
    let connect = |source| connect_from(source, server.address());
    let mut held: Vec<_> = (0..10).map(|_| connect("127.0.0.1")).collect();
    assert!(held.iter().all(is_answered));
    // A quarter of all connections are open.
    assert!(!is_answered(&connect("127.0.0.1")));
    assert!(is_answered(&connect("127.0.0.2")));
    drop(held.pop());
    wait_until("a closed connection makes room", || is_answered(&connect("127.0.0.1")));
    server.stop();

    // Behind a proxy, all have the proxy's address.
    let settings = [("LIMITS__MAX_CONNECTIONS", "40"), ("HTTP__BEHIND_PROXY", "true")];
    let server = Server::start_with(&storage, &settings);
    let held: Vec<_> = (0..20).map(|_| connect_from("127.0.0.1", server.address())).collect();
    assert!(held.iter().all(is_answered));
    server.stop();
}

#[test]
fn bodies_of_log_ins_have_5_s() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage);
    let mut connection = server.connect();
    assert!(connection.write(
        "POST /private/token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\
         Content-Length: 100\r\n\r\n"
    ));
    let (reply, took) = trickle(&mut connection, b" ");
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    assert!((Duration::from_secs(4)..Duration::from_secs(10)).contains(&took), "{took:?}");
    server.stop();
}

fn monitored(storage: &Storage, listen: &str) -> Server {
    let settings = [("METRICS__LISTEN", listen), ("LIMITS__MAX_CONNECTIONS", "1")];
    Server::start_with(storage, &settings)
}

#[test]
fn probes_do_not_depend_on_the_connections_of_clients() {
    let storage = Storage::sqlite();
    let listen = free_address();
    let server = monitored(&storage, &listen);
    let threads = available_parallelism().unwrap().get();
    let held: Vec<_> = (0..threads).map(|_| connect_from("127.0.0.1", server.address())).collect();
    for (path, status) in [("/healthz", 204), ("/readyz", 204), ("/metrics", 200), ("/config", 404)]
    {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
        let reply = ureq::Agent::from(agent).get(format!("http://{listen}{path}")).call().unwrap();
        assert_eq!(reply.status(), status, "{path}");
    }
    drop(held);
    server.stop();
}

#[test]
fn connections_of_monitoring_end_after_10_s() {
    let storage = Storage::sqlite();
    let listen = free_address();
    let server = monitored(&storage, &listen);
    let mut busy = connect_from("127.0.0.1", &listen);
    let begin = Instant::now();
    while is_answered(&busy) {
        // The rest of the response.
        busy.set_nonblocking(true).unwrap();
        while busy.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
        busy.set_nonblocking(false).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(30), "it is never cut");
        sleep(Duration::from_millis(500));
    }
    assert!(begin.elapsed() > Duration::from_secs(9), "{:?}", begin.elapsed());

    // Idle connections take all permits, but only for a while.
    let idle: Vec<_> = (0..200).map(|_| connect_from("127.0.0.1", &listen)).collect();
    let mut waiting = connect_from("127.0.0.1", &listen);
    waiting.set_read_timeout(Some(Duration::from_secs(45))).unwrap();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    waiting.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 204");
    drop(idle);
    server.stop();
}

/// More clients than descriptors.
#[test]
fn few_descriptors_lower_the_limit_of_connections() {
    allow_descriptors();
    let storage = Storage::sqlite();
    let server = Server::start_through(&storage, &["prlimit", "--nofile=300:300"], &[]);
    let log = server.log();
    let lowered: Vec<_> = log.lines().filter(|line| line.contains("lowered limits")).collect();
    assert!(lowered.len() == 1 && lowered[0].contains("\"level\":\"INFO\""), "{log}");
    let clients: Vec<_> = (0..600).map(|_| connect_from("127.0.0.1", server.address())).collect();
    sleep(Duration::from_secs(2));
    drop(clients);
    assert_eq!(server.request("GET", "/healthz", &[], b"").status, 204);
    let (_, log) = server.stop();
    assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("actix_server"), "{log}");
}

/// Something else uses the descriptors up while the service runs.
#[test]
fn no_descriptors_are_reported_once_a_minute() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage);
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    let limit = |descriptors: usize| {
        let status = Command::new("prlimit")
            .arg(format!("--pid={}", server.id()))
            .arg(format!("--nofile={descriptors}:"))
            .status();
        assert!(status.expect("prlimit of util-linux is needed").success());
    };
    limit(open);
    let held: Vec<_> = (0..5).map(|_| connect_from("127.0.0.1", server.address())).collect();
    wait_until("the error is logged", || server.log().contains("actix_server::accept"));
    sleep(Duration::from_secs(3));
    let log = server.log();
    assert_eq!(log.matches("actix_server::accept").count(), 1, "{log}");
    limit(1000);
    drop(held);
    wait_until("it goes on", || is_answered(&connect_from("127.0.0.1", server.address())));
    server.stop();
}

/// A list that is larger than the buffers of the sockets.
fn long_list(server: &Server, token: &str) -> Socket {
    for number in 0..160 {
        let mut device = device(&format!("till-{number}"));
        device["otp_device_description"] = json!("d".repeat(60_000));
        server.post("shop", token, device.to_string()).expect_stored();
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    // As in a real network: the receiver announces room of a segment, which is 64 KiB on loopback.
    socket.set_tcp_mss(1400).unwrap();
    socket.connect(&server.address().parse::<SocketAddr>().unwrap().into()).unwrap();
    let request = format!(
        "GET {DEVICES} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    (&socket).write_all(request.as_bytes()).unwrap();
    socket
}

#[test]
fn a_client_that_reads_slowly_but_steadily_gets_all() {
    let storage = Storage::sqlite();
    let token = storage.token("shop", "all", "forever");
    let server = Server::start_with(&storage, &[("LIMITS__STALL_TIMEOUT", "10")]);
    let mut reader = long_list(&server, &token);
    let mut reply = Vec::new();
    let begin = Instant::now();
    // 16 KiB a second.
    while begin.elapsed() < Duration::from_secs(25) {
        let mut part = [0; 4096];
        let length = reader.read(&mut part).unwrap();
        reply.extend_from_slice(&part[..length]);
        sleep(Duration::from_millis(250));
    }
    reader.read_to_end(&mut reply).unwrap();
    assert!(reply.ends_with(b"0\r\n\r\n"), "it broke off after {} bytes", reply.len());
    assert!(reply.len() > 160 * 60_000);
    server.stop();
}

#[test]
fn a_client_that_does_not_read_is_cut_and_logged() {
    let storage = Storage::sqlite();
    let token = storage.token("shop", "all", "forever");
    let server = Server::start_with(&storage, &[("LIMITS__STALL_TIMEOUT", "2")]);
    let mut reader = long_list(&server, &token);
    wait_until("it is logged", || server.log().contains("client does not read"));
    let mut reply = Vec::new();
    match reader.read_to_end(&mut reply) {
        Ok(_) => assert!(!reply.ends_with(b"0\r\n\r\n"), "it came whole"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    server.stop();
}
