//! Full disks: failed writes are reported, and acknowledged devices are not lost.

use std::iter;

use ::postgres::{Client, NoTls};
use merchant_otp_tests::{DEVICES, ErrorCode, Server, SmallDisk, Storage, UNKNOWN_TOKEN};
use merchant_otp_throwaway_postgres::Cluster;
use serde_json::{Value, json};

use crate::device;
use crate::load::{Load, under_load};

/// The size of a WAL segment of PostgreSQL, in MiB.
const LOG_SEGMENT: u32 = 16;

/// Writes 10 MB to the WAL of PostgreSQL.
const FILL_LOG: &str = "SELECT pg_logical_emit_message(false, '', repeat('a', 10000000))";

/// A device with a long description that cannot be compressed.
fn large_device(id: &str) -> Value {
    let mut device = device(id);
    let description: String = iter::repeat_with(fastrand::alphanumeric).take(60_000).collect();
    device["otp_device_description"] = json!(description);
    device
}

/// Asserts that writes fail and reads succeed while the disk is full.
fn expect_full(server: &Server, token: &str, load: &Load) {
    let codes = load.wait_for_refusals();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [54]);
    // Reads, health checks and refusals still work.
    assert_eq!(server.call("GET", &format!("{DEVICES}/till-0"), token, "").status, 200);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    server
        .post("shop", UNKNOWN_TOKEN, "")
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

#[test]
fn a_full_disk_of_sqlite_loses_nothing() {
    let disk = SmallDisk::new(128, 1);
    let storage = Storage::sqlite_in(disk.path());
    // Where a limit on file sizes simulates the disk, SIGXFSZ would end the process.
    let server = Server::start_through(&storage, &["env", "--ignore-signal=XFSZ"], &[]);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, large_device, |load| {
        disk.fill(&[server.id()]);
        expect_full(&server, &token, load);
        disk.clear(&[server.id()]);
        load.expect_recovery();
    });
}

#[test]
fn a_full_disk_of_postgresql_loses_nothing() {
    let disk = SmallDisk::new(512, LOG_SEGMENT);
    let settings = [("min_wal_size", "128MB"), ("max_wal_size", "192MB")];
    let cluster = Cluster::start_in(disk.path(), &settings, &[]).unwrap();
    // Allocate WAL segments in advance: a checkpoint recycles them.
    let mut session = Client::connect(&cluster.url("postgres"), NoTls).unwrap();
    for _ in 0..12 {
        session.batch_execute(FILL_LOG).unwrap();
    }
    session.batch_execute("CHECKPOINT").unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, large_device, |load| {
        disk.fill(&cluster.processes());
        expect_full(&server, &token, load);
        disk.clear(&cluster.processes());
        load.expect_recovery();
    });
}

/// A PostgreSQL server without space for its WAL ends all sessions, and itself if necessary.
#[test]
fn a_full_disk_that_ends_postgresql_loses_nothing() {
    let disk = SmallDisk::new(512, LOG_SEGMENT / 2);
    let settings = [("min_wal_size", "32MB"), ("max_wal_size", "32MB")];
    let mut cluster = Cluster::start_in(disk.path(), &settings, &[]).unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    under_load(&storage, &[&server], &token, device, |load| {
        disk.fill(&cluster.processes());
        // Until no WAL segment is left.
        let maintenance = cluster.url("postgres");
        let session = || Client::connect(&maintenance, NoTls);
        while session().is_ok_and(|mut session| session.batch_execute(FILL_LOG).is_ok()) {}
        load.wait_for_refusals();
        disk.clear(&cluster.processes());
        // PostgreSQL recovers by itself, unless there is no space for that either.
        if cluster.wait_until_ready().is_err() {
            cluster.start_again().unwrap();
        }
        load.expect_recovery();
    });
}
