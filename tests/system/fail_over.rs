//! Acknowledged devices survive failures of the PostgreSQL server, and the service reconnects.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use merchant_otp_tests::{ErrorCode, Server, Storage, StorageKind};
use merchant_otp_throwaway_postgres::Cluster;

use crate::device;
use crate::load::under_load;

#[test]
fn a_crashed_server_loses_no_acknowledged_device() {
    let mut cluster = Cluster::start_with(&[], &[]).unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, device, |load| {
        cluster.crash();
        sleep(Duration::from_millis(500));
        cluster.start_again().unwrap();
        load.expect_recovery();
    });
}

#[test]
fn a_restarted_server_is_used_again() {
    let mut cluster = Cluster::start_with(&[], &[]).unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, device, |load| {
        cluster.stop();
        for _ in 0..3 {
            server
                .post("shop", &token, device("nowhere").to_string())
                .expect_error(500, ErrorCode::GenericDbStartFailed);
        }
        cluster.start_again().unwrap();
        load.expect_recovery();
    });
}

#[test]
fn a_promoted_standby_has_all_acknowledged_devices() {
    let mut primary = Cluster::start_with(&[], &[]).unwrap();
    let storage = Storage::postgres_in(&primary);
    let token = storage.token("shop", "all", "forever");
    let standby = primary.standby().unwrap();
    primary.enable_synchronous_replication().unwrap();
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    let name = database.name();
    let (first, second) = (primary.port(), standby.port());
    let url = format!(
        "postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{name}\
         ?target_session_attrs=read-write"
    );
    let storage = storage.through(url);
    let servers = [(); 2].map(|()| Server::start(&storage));
    let load = under_load(&storage, &servers.each_ref(), &token, device, |_| {
        primary.crash();
        standby.promote().unwrap();
    });
    let outage = load.outage(|_| true);
    let of_each = [0, 1].map(|process| load.outage(|of| of == process));
    let refused = load.refused();
    let _best_effort = writeln!(
        io::stderr(),
        "fail-over: no device was stored for {outage:?}, by each process for {of_each:?}; \
         meanwhile the codes were {refused:?}"
    );
    for outage in of_each {
        assert!(outage < Duration::from_secs(10), "{outage:?}");
    }
}
