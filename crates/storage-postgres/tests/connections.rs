//! The number of connections of a backend, and their renewal after the server did not respond.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use merchant_otp_domain::{AccessToken, InstanceId, OtpDeviceId};
use merchant_otp_ports::{StorageBackend, StoreError, Stores};
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
use merchant_otp_throwaway_postgres::{Cluster, Database};
use postgres::Client;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// The server processes that serve the backend.
fn server_processes(session: &mut Client) -> BTreeSet<i32> {
    let processes = "SELECT pid FROM pg_stat_activity
        WHERE application_name = 'merchant-otp' AND datname = current_database()";
    session.query(processes, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// Looks up rows concurrently, in batches and on the shared pool.
async fn look_up_everywhere(stores: &Stores) {
    let shop = InstanceId::parse("shop").unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..20_u8 {
        let (stores, shop) = (stores.clone(), shop.clone());
        tasks.spawn(async move {
            let id = OtpDeviceId::parse(format!("till {number}")).unwrap();
            let digest = AccessToken::from_random(&[number; 32].into()).digest();
            assert_eq!(stores.otp_devices.find(&shop, &id).await.unwrap(), None);
            stores.access_tokens.find(&shop, &digest).await.unwrap();
            assert_eq!(stores.instances.find(&shop).await.unwrap(), None);
            stores.health.check().await.unwrap();
        });
    }
    tasks.join_all().await;
}

fn open(runtime: &Runtime, database: &Database, connections: u16, sets: u16) -> PostgresBackend {
    let _on_runtime = runtime.enter();
    let settings = PostgresSettings { connections, sets };
    let backend = PostgresBackend::open(&database.url(), settings).unwrap();
    runtime.block_on(backend.migrate()).unwrap();
    backend
}

/// Sets of stores on more threads than there are sets with their own connections.
#[test]
fn there_are_no_more_connections_than_allowed() {
    const CONNECTIONS: u16 = 6;
    let runtime = Runtime::new().unwrap();
    let database = Database::create();
    let backend = Arc::new(open(&runtime, &database, CONNECTIONS, 2));
    let mut session = database.session();
    thread::scope(|scope| {
        for _ in 0..5 {
            let backend = Arc::clone(&backend);
            scope.spawn(move || {
                let worker = Builder::new_current_thread().enable_all().build().unwrap();
                worker.block_on(async {
                    let stores = backend.stores();
                    for _ in 0..20 {
                        look_up_everywhere(&stores).await;
                    }
                });
            });
        }
        for _ in 0..20 {
            let connections = server_processes(&mut session).len();
            assert!(connections <= CONNECTIONS.into(), "{connections} connections");
            thread::sleep(Duration::from_millis(10));
        }
    });
    // The threads have ended and released their connections.
    let stores = backend.stores();
    runtime.block_on(look_up_everywhere(&stores));
    let connections = server_processes(&mut session).len();
    assert!((3..=CONNECTIONS.into()).contains(&connections), "{connections} connections");
}

/// When one pool finds that the server does not respond, all pools close their connections.
#[test]
fn a_frozen_server_is_noticed_once() {
    let runtime = Runtime::new().unwrap();
    let cluster = Cluster::start().unwrap();
    let database = Database::create_in(&cluster);
    let backend = open(&runtime, &database, 3, 1);
    let stores = backend.stores();
    runtime.block_on(look_up_everywhere(&stores));
    let mut session = database.session();
    let before = server_processes(&mut session);
    assert!(!before.is_empty());

    cluster.freeze();
    let begin = Instant::now();
    let shop = InstanceId::parse("shop").unwrap();
    let frozen = runtime.block_on(stores.instances.find(&shop));
    assert!(matches!(frozen, Err(StoreError::Read(_))), "{frozen:?}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    cluster.thaw();

    runtime.block_on(look_up_everywhere(&stores));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server_processes(&mut session).is_disjoint(&before) {
        assert!(Instant::now() < deadline, "a connection from before is still used");
        thread::sleep(Duration::from_millis(20));
    }
}
