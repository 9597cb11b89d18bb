//! A disk without room: what is not written is told, and what was acknowledged is there.

use std::iter;

use ::postgres::{Client, NoTls};
use merchant_otp_tests::{DEVICES, Server, SmallDisk, Storage};
use merchant_otp_throwaway_postgres::Cluster;
use serde_json::{Value, json};

use crate::device;
use crate::load::{Load, survive};

/// How long a segment of the log of PostgreSQL is, in MiB.
const LOG_SEGMENT: u32 = 16;

/// Writes 10 MB to the log of PostgreSQL.
const FILL_LOG: &str = "SELECT pg_logical_emit_message(false, '', repeat('a', 10000000))";

/// A device that needs room, and cannot be compressed.
fn large_device(id: &str) -> Value {
    let mut device = device(id);
    let description: String = iter::repeat_with(fastrand::alphanumeric).take(60_000).collect();
    device["otp_device_description"] = json!(description);
    device
}

/// What holds while there is no room.
fn expect_full(server: &Server, token: &str, load: &Load) {
    let codes = load.wait_for_refusals();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [54]);
    // Who only reads is served, and who only asks too.
    assert_eq!(server.call("GET", &format!("{DEVICES}/till-0"), token, "").status, 200);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    server.post("shop", "secret-token:made-up", "").expect_error(401, 2015);
}

#[test]
fn a_full_disk_of_sqlite_loses_nothing() {
    let disk = SmallDisk::new(128, 1);
    let storage = Storage::sqlite_in(disk.path());
    // Where the disk is a limit, the kernel would end the process that meets it.
    let server = Server::start_by(&storage, &["env", "--ignore-signal=XFSZ"], &[]);
    let token = storage.token("shop", "all", "forever");
    survive(&storage, &[&server], &token, large_device, |load| {
        disk.fill(&[server.id()]);
        expect_full(&server, &token, load);
        disk.clear(&[server.id()]);
        load.expect_back();
    });
}

#[test]
fn a_full_disk_of_postgresql_loses_nothing() {
    let disk = SmallDisk::new(512, LOG_SEGMENT);
    let settings = [("min_wal_size", "128MB"), ("max_wal_size", "192MB")];
    let cluster = Cluster::start_in(disk.path(), &settings, &[]).unwrap();
    // Room for the log is there beforehand: what a checkpoint leaves is used again.
    let mut session = Client::connect(&cluster.url("postgres"), NoTls).unwrap();
    for _ in 0..12 {
        session.batch_execute(FILL_LOG).unwrap();
    }
    session.batch_execute("CHECKPOINT").unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    survive(&storage, &[&server], &token, large_device, |load| {
        disk.fill(&cluster.processes());
        expect_full(&server, &token, load);
        disk.clear(&cluster.processes());
        load.expect_back();
    });
}

/// A server that has no room for its log (`pg_wal`) ends all sessions, and itself if it must.
#[test]
fn a_full_disk_that_ends_postgresql_loses_nothing() {
    let disk = SmallDisk::new(512, LOG_SEGMENT / 2);
    let settings = [("min_wal_size", "32MB"), ("max_wal_size", "32MB")];
    let mut cluster = Cluster::start_in(disk.path(), &settings, &[]).unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    survive(&storage, &[&server], &token, device, |load| {
        disk.fill(&cluster.processes());
        // Until there is no segment of the log any more.
        let maintenance = cluster.url("postgres");
        let session = || Client::connect(&maintenance, NoTls);
        while session().is_ok_and(|mut session| session.batch_execute(FILL_LOG).is_ok()) {}
        load.wait_for_refusals();
        disk.clear(&cluster.processes());
        // It recovers by itself, unless there is no room for that either.
        if cluster.wait_until_ready().is_err() {
            cluster.start_again().unwrap();
        }
        load.expect_back();
    });
}
