//! Interfaces for operators: health, request ids, metrics.

use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use merchant_otp_tests::{
    DEVICES, ErrorCode, Server, Storage, StorageKind, UNKNOWN_TOKEN, wait_until,
};
use nix::sys::signal::Signal;

use crate::{device, on_both_databases};

on_both_databases! {
    health_needs_no_credentials_and_has_no_details,
    a_database_with_another_schema_is_not_ready,
    each_response_has_a_request_id_that_is_logged,
    metrics_have_an_address_of_their_own,
    an_unread_log_does_not_stop_the_service,
    sighup_without_a_certificate_does_not_end_the_service,
}

fn health_needs_no_credentials_and_has_no_details(storage: &Storage) {
    let server = Server::start(storage);
    for path in ["/healthz", "/readyz"] {
        for method in ["GET", "HEAD"] {
            let reply = server.request(method, path, &[], b"");
            assert_eq!((reply.status, &*reply.body), (204, ""), "{path}");
        }
        server.request("POST", path, &[], b"").expect_error(405, ErrorCode::GenericMethodInvalid);
    }
    let listen = server.address().to_owned();
    let ask = || storage.run_with(&["healthcheck"], &[("HTTP__LISTEN", &listen)]);
    let healthy = ask();
    assert!(healthy.success, "{}", healthy.stderr);
    server.kill();
    let gone = ask();
    assert!(!gone.success && gone.stderr.contains("does not respond"), "{}", gone.stderr);
}

fn a_database_with_another_schema_is_not_ready(storage: &Storage) {
    let server = Server::start(storage);
    storage.execute("ALTER TABLE __diesel_schema_migrations RENAME TO gone");
    let reply = server.request("GET", "/readyz", &[], b"");
    assert_eq!((reply.status, &*reply.body), (503, ""));
    assert_eq!(server.request("GET", "/healthz", &[], b"").status, 204);
    let listen = server.address().to_owned();
    let sick = storage.run_with(&["healthcheck"], &[("HTTP__LISTEN", &listen)]);
    assert!(!sick.success && sick.stderr.contains("not ready"), "{}", sick.stderr);
    storage.execute("ALTER TABLE gone RENAME TO __diesel_schema_migrations");
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    // Migrations of a newer version of the service do not matter.
    storage.execute(
        "INSERT INTO __diesel_schema_migrations (version, run_on)
         VALUES ('99991231000000', CURRENT_TIMESTAMP)",
    );
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    storage.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261124090000'");
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 503);
    let (_, log) = server.stop();
    assert!(
        log.contains("readiness check failed") && log.contains("migrations are pending"),
        "{log}"
    );
}

fn each_response_has_a_request_id_that_is_logged(storage: &Storage) {
    let chosen = [("X-Request-Id", "chosen-by.me_1")];
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let reply = server.request("GET", "/config", &chosen, b"");
    let id = reply.header("X-Request-Id").unwrap().to_owned();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let stored = server.post("shop", &token, device("till").to_string());
    stored.expect_stored();
    let audited = stored.header("X-Request-Id").unwrap().to_owned();
    let (_, log) = server.stop();
    assert!(log.contains(&format!("\"request_id\":\"{id}\"")), "{log}");
    let of_request = |line: &&str| line.contains(&audited);
    let lines: Vec<_> = log.lines().filter(of_request).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("\"target\":\"audit\"") && lines[1].contains("answered"));

    let server = Server::start_with(storage, &[("HTTP__BEHIND_PROXY", "true")]);
    let reply = server.request("GET", "/config", &chosen, b"");
    assert_eq!(reply.header("X-Request-Id"), Some("chosen-by.me_1"));
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        let reply = server.request("GET", "/config", &[("X-Request-Id", bad)], b"");
        assert_eq!(reply.header("X-Request-Id").unwrap().len(), 16, "{bad}");
    }
}

pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn metrics_have_an_address_of_their_own(storage: &Storage) {
    let listen = free_address();
    let server = Server::start_with(storage, &[("METRICS__LISTEN", &listen)]);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    server
        .post("shop", UNKNOWN_TOKEN, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    server
        .request("BREW", &format!("{DEVICES}/secret"), &[], b"")
        .expect_error(405, ErrorCode::GenericMethodInvalid);
    server.call("GET", "/metrics", &token, "").expect_error(404, ErrorCode::GenericEndpointUnknown);
    let metrics = ureq::get(format!("http://{listen}/metrics")).call().unwrap();
    let metrics = metrics.into_body().read_to_string().unwrap();
    let route = "/instances/{instance}/private/otp-devices";
    for line in [
        &*format!(
            "merchant_otp_requests_total{{method=\"POST\",route=\"{route}\",status=\"204\",code=\"\"}} 1"
        ),
        &format!(
            "merchant_otp_requests_total{{method=\"POST\",route=\"{route}\",status=\"401\",code=\"2015\"}} 1"
        ),
        "merchant_otp_audit_events_total{operation=\"otp-device.add\",outcome=\"done\"} 1",
        "merchant_otp_batch_requests_count{batch=\"insert\"} 1",
        "merchant_otp_requests_in_flight 0",
        "merchant_otp_build_info{version=",
        "method=\"other\"",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    for secret in ["till", "secret", "BREW", token.strip_prefix("secret-token:").unwrap()] {
        assert!(!metrics.contains(secret), "{metrics}");
    }
}

/// More lines than the pipe and the queue hold: they are dropped and counted, and each request is
/// answered.
fn an_unread_log_does_not_stop_the_service(storage: &Storage) {
    let listen = free_address();
    let settings = [("METRICS__LISTEN", &*listen), ("LOG__FILTER", "trace")];
    let server = Server::start_with(storage, &settings);
    let unread = server.hold_log();
    for _ in 0..2000 {
        server
            .request("GET", "/nowhere", &[], b"")
            .expect_error(404, ErrorCode::GenericEndpointUnknown);
    }
    drop(unread);
    wait_until("the number of dropped lines is logged", || {
        server.log().contains("dropped log lines")
    });
    let metrics = ureq::get(format!("http://{listen}/metrics")).call().unwrap();
    let metrics = metrics.into_body().read_to_string().unwrap();
    let dropped = metrics.lines().find_map(|line| {
        line.strip_prefix("merchant_otp_log_lines_dropped_total ")?.parse::<u64>().ok()
    });
    assert!(dropped.is_some_and(|dropped| dropped > 0), "{metrics}");
    server.stop();
}

fn sighup_without_a_certificate_does_not_end_the_service(storage: &Storage) {
    let server = Server::start(storage);
    server.signal(Signal::SIGHUP);
    wait_until("the signal is logged", || server.log().contains("no certificate to reload"));
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
}

#[test]
fn readiness_follows_the_availability_of_the_database() {
    let cluster = merchant_otp_throwaway_postgres::Cluster::start().unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    let name = database.name();
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    // Refuse new connections, and terminate existing ones.
    database.maintain(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"));
    database.maintain(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 503);
    assert_eq!(server.request("GET", "/healthz", &[], b"").status, 204);
    database.maintain(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true"));
    let deadline = Instant::now() + Duration::from_secs(2);
    while server.request("GET", "/readyz", &[], b"").status != 204 {
        assert!(Instant::now() < deadline, "it does not come back");
        sleep(Duration::from_millis(20));
    }
}
