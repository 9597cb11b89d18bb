//! Shutdown by a signal.

use std::net::TcpStream;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use merchant_otp_tests::{RawConnection, Server, Storage, wait_until};
use merchant_otp_throwaway_postgres::Cluster;
use nix::sys::signal::Signal;

use crate::faults::Lock;
use crate::{device, on_both_databases};

on_both_databases! {
    requests_in_flight_are_answered,
    idle_connections_do_not_delay_the_end,
    a_second_signal_ends_at_once,
    the_shutdown_grace_is_limited,
    writes_complete_while_other_workers_end,
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
        // Give the server time to begin with the request.
        sleep(Duration::from_millis(300));
        server.signal(signal);

        wait_until("no connection is accepted", || TcpStream::connect(server.address()).is_err());
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
    // The client keeps this connection open after the reply.
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let silent = server.connect();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    drop(silent);
}

/// A connection with an incomplete request.
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

fn the_shutdown_grace_is_limited(storage: &Storage) {
    let server = Server::start_with(storage, &[("LIMITS__SHUTDOWN_GRACE", "1")]);
    let token = storage.token("shop", "all", "forever");
    let connection = unfinished(&server, &token);
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    drop(connection);
}

/// A worker without connections ends at once; the others must not depend on it.
fn writes_complete_while_other_workers_end(storage: &Storage) {
    // Connections are assigned to the workers in turn: the second request goes to the worker of the
    // first one, or to the other.
    for between in 0..2 {
        let server = Server::start_with(storage, &[("HTTP__WORKERS", "2")]);
        let token = storage.token("shop", "all", "forever");
        let post = |id: &str| {
            let body = device(id).to_string();
            let mut connection = server.connect();
            assert!(connection.write(format!(
                "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )));
            connection
        };
        assert!(post("first").read_to_end().starts_with("HTTP/1.1 204 "));
        for _ in 0..between {
            drop(server.connect());
        }
        let lock = Lock::take(storage);
        let mut connection = post(&format!("second-{between}"));
        sleep(Duration::from_millis(300));
        server.signal(Signal::SIGTERM);
        sleep(Duration::from_millis(300));
        lock.release();
        let reply = connection.read_to_end();
        assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
        let (status, _, log) = server.wait();
        assert_eq!(status, Some(0), "{log}");
    }
}

#[test]
fn a_frozen_database_does_not_block_the_shutdown() {
    let cluster = Cluster::start().unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start_with(&storage, &[("LIMITS__SHUTDOWN_GRACE", "1")]);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    cluster.freeze();
    let mut connection = server.connect();
    assert!(connection.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"));
    sleep(Duration::from_millis(300));
    drop(connection);
    server.signal(Signal::SIGTERM);
    let start = Instant::now();
    let ended = thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let (status, _, log) = server.wait();
            assert_eq!(status, Some(0), "{log}");
            start.elapsed()
        });
        while !ended.is_finished() && start.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(50));
        }
        cluster.thaw();
        ended.join().unwrap()
    });
    assert!(ended < Duration::from_secs(12), "it took {ended:?}");
}
