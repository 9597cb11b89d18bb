//! The end of the service by a signal.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use merchant_otp_tests::{RawConnection, Server, Storage};
use nix::sys::signal::Signal;

use crate::{device, on_both_databases};

on_both_databases! {
    requests_in_flight_are_answered,
    idle_connections_do_not_delay_the_end,
    a_second_signal_ends_at_once,
    the_grace_has_an_end,
}

fn requests_in_flight_are_answered(storage: &Storage) {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = Server::start(storage);
        let token = storage.token("shop", "all", "forever");
        let body = device("till").to_string();
        let (sent, rest) = body.split_at(20);
        let mut connection = server.connect();
        let head = format!(
            "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{sent}",
            body.len()
        );
        assert!(connection.write(head));
        // The server is to have begun with the request.
        sleep(Duration::from_millis(300));
        server.signal(signal);

        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(server.address()).is_ok() {
            assert!(Instant::now() < deadline, "connections are still taken");
            sleep(Duration::from_millis(20));
        }
        assert!(connection.write(rest));
        let reply = connection.read_to_end();
        assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
        let (status, _, log) = server.wait();
        assert_eq!(status, Some(0), "{log}");
    }
}

fn idle_connections_do_not_delay_the_end(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    // Kept alive by the client after its reply.
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let silent = server.connect();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    drop(silent);
}

/// A connection with a request that the server waits for.
fn unfinished(server: &Server, token: &str) -> RawConnection {
    let mut connection = server.connect();
    let head = format!(
        "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n{{"
    );
    assert!(connection.write(head));
    sleep(Duration::from_millis(300));
    connection
}

fn a_second_signal_ends_at_once(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let connection = unfinished(&server, &token);
    server.signal(Signal::SIGTERM);
    sleep(Duration::from_millis(300));
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    let (status, _, log) = server.wait();
    assert_eq!(status, Some(1), "{log}");
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(connection);
}

fn the_grace_has_an_end(storage: &Storage) {
    let server = Server::start_with(storage, &[("HTTP__SHUTDOWN_GRACE", "1")]);
    let token = storage.token("shop", "all", "forever");
    let connection = unfinished(&server, &token);
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    drop(connection);
}
