//! Faults of the database: the code of each, and recovery afterwards.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use ::postgres::Client;
use diesel::connection::SimpleConnection;
use merchant_otp_tests::{ErrorCode, Server, Storage, StorageKind, wait_until};
use merchant_otp_throwaway_postgres::Cluster;

use crate::{device, on_both_databases};

on_both_databases! {
    no_connection_is_code_51,
    a_failed_read_is_code_53,
    a_failed_write_is_code_54,
    contention_after_the_retries_is_code_55,
    short_contention_is_retried_with_success,
    invalid_data_is_code_56,
    an_uncommitted_token_is_not_shown,
}

/// A lock that prevents devices from being stored until it is released or dropped.
pub(crate) enum Lock {
    Sqlite(diesel::SqliteConnection),
    Postgres(Box<Client>),
}

impl Lock {
    pub(crate) fn take(storage: &Storage) -> Self {
        match storage.kind() {
            StorageKind::Sqlite(_) => {
                let mut session = storage.sqlite_session();
                session.batch_execute("BEGIN IMMEDIATE").unwrap();
                Self::Sqlite(session)
            }
            StorageKind::Postgres(database) => {
                let mut session = database.session();
                session.batch_execute("BEGIN; LOCK otp_devices IN EXCLUSIVE MODE").unwrap();
                Self::Postgres(Box::new(session))
            }
        }
    }

    pub(crate) fn release(self) {
        match self {
            Self::Sqlite(mut session) => session.batch_execute("ROLLBACK").unwrap(),
            Self::Postgres(mut session) => session.batch_execute("ROLLBACK").unwrap(),
        }
    }
}

fn no_connection_is_code_51(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let post = |id: &str| server.post("shop", &token, device(id).to_string());
    post("before").expect_stored();
    match storage.kind() {
        StorageKind::Sqlite(_) => {
            let (path, elsewhere) =
                (storage.sqlite_path(), storage.sqlite_path().with_extension("away"));
            fs::rename(&path, &elsewhere).unwrap();
            post("during").expect_error(500, ErrorCode::GenericDbStartFailed);
            post("during").expect_error(500, ErrorCode::GenericDbStartFailed);
            assert!(!path.exists(), "an empty database took the place of the lost one");
            fs::rename(&elsewhere, &path).unwrap();
        }
        StorageKind::Postgres(database) => {
            let allow = |allowed: bool| {
                let name = database.name();
                database.maintain(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"));
            };
            allow(false);
            let name = database.name();
            database.maintain(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ));
            // The sessions end a moment later.
            wait_until("the database cannot be reached", || post("during").json()["code"] == 51);
            post("during").expect_error(500, ErrorCode::GenericDbStartFailed);
            allow(true);
        }
    }
    post("during").expect_stored();
    post("before").expect_stored();
}

fn a_failed_read_is_code_53(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let post = || server.post("shop", &token, device("till").to_string());
    storage.execute("ALTER TABLE access_tokens RENAME TO elsewhere");
    post().expect_error(500, ErrorCode::GenericDbFetchFailed);
    storage.execute("ALTER TABLE elsewhere RENAME TO access_tokens");
    post().expect_stored();
}

fn a_failed_write_is_code_54(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let post = || server.post("shop", &token, device("till").to_string());
    let (fault, repair) = match storage.kind() {
        StorageKind::Sqlite(_) => (
            "CREATE TRIGGER fault BEFORE INSERT ON otp_devices
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER fault",
        ),
        // The insertion succeeds, and the commit fails.
        StorageKind::Postgres(_) => (
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON otp_devices
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fault()",
            "DROP TRIGGER fault ON otp_devices",
        ),
    };
    storage.execute(fault);
    post().expect_error(500, ErrorCode::GenericDbCommitFailed);
    storage.execute(repair);
    // The failed write stored nothing: other details are no conflict.
    let mut other = device("till");
    other["otp_ctr"] = 1.into();
    server.post("shop", &token, other.to_string()).expect_stored();
}

fn contention_after_the_retries_is_code_55(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let post = || server.post("shop", &token, device("till").to_string());
    let lock = Lock::take(storage);
    let start = Instant::now();
    post().expect_error(500, ErrorCode::GenericDbSoftFailure);
    assert!(start.elapsed() > Duration::from_secs(3), "it gave up after {:?}", start.elapsed());
    lock.release();
    post().expect_stored();
}

fn short_contention_is_retried_with_success(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let lock = Lock::take(storage);
    thread::scope(|scope| {
        let post = scope.spawn(|| server.post("shop", &token, device("till").to_string()));
        // Longer than a single attempt waits.
        thread::sleep(Duration::from_millis(1_500));
        lock.release();
        post.join().unwrap().expect_stored();
    });
}

fn invalid_data_is_code_56(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    storage.execute("UPDATE otp_devices SET algorithm = 7");
    server
        .post("shop", &token, device("till").to_string())
        .expect_error(500, ErrorCode::GenericDbInvariantFailure);
}

/// The insertion of the token succeeds, and the commit fails.
fn an_uncommitted_token_is_not_shown(storage: &Storage) {
    let _first = storage.token("shop", "all", "forever");
    storage.execute(match storage.kind() {
        StorageKind::Sqlite(_) => {
            "CREATE TABLE fault
                (id INTEGER REFERENCES instances (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER fault AFTER INSERT ON access_tokens
             BEGIN INSERT INTO fault VALUES (7); END"
        }
        StorageKind::Postgres(_) => {
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON access_tokens
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fault()"
        }
    });
    let added = storage.run(&["token", "add", "--instance", "shop", "--scope", "all"]);
    assert!(!added.success && added.stdout.is_empty(), "{added:?}");
    assert_eq!(storage.run(&["token", "list", "--instance", "shop"]).stdout.lines().count(), 2);
}

#[test]
fn a_frozen_database_is_reported_in_time() {
    let cluster = Cluster::start().unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    let post = || server.post("shop", &token, device("till").to_string());
    let post_many = || {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..16).map(|_| scope.spawn(post)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        })
    };
    // Enough concurrent requests for several connections, all of which are dead afterwards.
    for stored in post_many() {
        stored.expect_stored();
    }
    cluster.freeze();
    let start = Instant::now();
    let frozen = post_many();
    let took = start.elapsed();
    cluster.thaw();
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    for one in frozen {
        assert!([51, 53].contains(&one.json()["code"].as_u64().unwrap()), "{}", one.body);
    }
    post().expect_stored();
}
