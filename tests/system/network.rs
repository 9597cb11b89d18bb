//! Faults of the network to PostgreSQL, and exhausted connections.

use std::time::{Duration, Instant};

use ::postgres::{Client, NoTls};
use merchant_otp_tests::{ErrorCode, Network, Server, Storage, StorageKind};
use merchant_otp_throwaway_postgres::Cluster;

use crate::device;
use crate::load::under_load;

/// A database in the cluster, reached through the proxy.
fn behind(network: &Network, cluster: &Cluster) -> Storage {
    let storage = Storage::postgres_in(cluster);
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    let (port, name) = (network.port(), database.name());
    let url = format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable");
    storage.through(url)
}

#[test]
fn a_cut_network_is_reported_and_used_again() {
    let cluster = Cluster::start().unwrap();
    let network = Network::to(cluster.port());
    let storage = behind(&network, &cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, device, |load| {
        // No error reports that a connection is dead: only a timeout does.
        network.cut();
        load.wait_for_refusals();
        assert_eq!(server.request("GET", "/healthz", &[], b"").status, 204);
        network.resume();
        load.expect_recovery();
    });
}

#[test]
fn a_refusing_network_is_reported_at_once() {
    let cluster = Cluster::start().unwrap();
    let network = Network::to(cluster.port());
    let storage = behind(&network, &cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, device, |load| {
        network.refuse();
        let begin = Instant::now();
        load.wait_for_refusals();
        server
            .post("shop", &token, device("nowhere").to_string())
            .expect_error(500, ErrorCode::GenericDbStartFailed);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        network.resume();
        load.expect_recovery();
    });
}

#[test]
fn exhausted_connections_are_code_51() {
    let cluster = Cluster::start_with(&[("max_connections", "12")], &[]).unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    let post = |id: &str| server.post("shop", &token, device(id).to_string());
    post("before").expect_stored();
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    // Terminate the connections of the service, and then open all that there are.
    let mut others = vec![database.session()];
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'merchant-otp'";
    others[0].batch_execute(terminate).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < deadline, "there are always more connections");
        match Client::connect(&database.url(), NoTls) {
            Ok(session) => others.push(session),
            Err(error) if error.as_db_error().is_some() => break,
            Err(error) => panic!("{error}"),
        }
    }
    for _ in 0..3 {
        post("during").expect_error(500, ErrorCode::GenericDbStartFailed);
    }
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 503);
    drop(others);
    let back = Instant::now();
    while post("during").status != 204 {
        assert!(back.elapsed() < Duration::from_secs(2), "it does not come back");
    }
    post("before").expect_stored();
}
