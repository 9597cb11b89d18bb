//! `cargo xtask upgrade`: upgrades a large database of each kind from the schema whose primary keys
//! did not begin with the instance. The first attempt is killed, and the second is measured. The
//! rows must be unchanged, and retention must read only a few of them.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a test, which fails by panicking and reports what it did"
)]

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use merchant_otp_tests::{Server, Storage, StorageKind};
use merchant_otp_throwaway_postgres::Cluster;

/// The migration that makes primary keys begin with the instance.
const MIGRATION: &str = "20261126000000";

/// The time of the oldest event, in seconds since the epoch; they are 10 s apart.
const OLDEST: i64 = 1_700_000_000;

/// Upgrade a large database of each kind, interrupt the upgrade once, and measure it.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000_000)]
    devices: i64,
    #[arg(long, default_value_t = 10_000_000)]
    events: i64,
    #[arg(long, default_value_t = 1_000)]
    instances: i64,
    /// Databases to upgrade.
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Databases {
    Both,
    Sqlite,
    Postgres,
}

fn main() {
    let arguments = Arguments::parse();
    let Arguments { devices, events, instances, database } = arguments;
    println!("{instances} instances with a token each, {devices} devices, {events} events");
    if database != Databases::Postgres {
        println!("SQLite:");
        upgrade(&Storage::sqlite(), &arguments);
    }
    if database != Databases::Sqlite {
        println!("PostgreSQL:");
        let cluster = Cluster::start_with(&[("max_wal_size", "4GB")], &[]).unwrap();
        upgrade(&Storage::postgres_in(&cluster), &arguments);
    }
}

fn upgrade(storage: &Storage, arguments: &Arguments) {
    let migrations = storage.migrations();
    let newest = migrations.iter().position(|one| one.version == MIGRATION).unwrap();
    storage.apply(&migrations[..newest]);
    timed("filled", || fill(storage, arguments));
    let before = summary(storage);

    // A migration that is killed leaves nothing behind, and the next attempt does all of it.
    let mut migrate = storage.command(&["migrate"], &[]);
    let mut killed = migrate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_secs(2));
    killed.kill().unwrap();
    assert!(!killed.wait().unwrap().success(), "it was done before it was killed: take more rows");
    let applied = |storage: &Storage| {
        let condition = format!("version = '{MIGRATION}'");
        count(
            storage,
            &format!("SELECT count(*) FROM __diesel_schema_migrations WHERE {condition}"),
        )
    };
    assert_eq!(applied(storage), 0);
    assert_eq!(summary(storage), before);

    timed("upgraded", || {
        let migrated = storage.run(&["migrate"]);
        assert!(migrated.success, "{}", migrated.stderr);
    });
    assert_eq!(applied(storage), 1);
    assert_eq!(summary(storage), before);
    // Their keys are not sealed by any master key: the service would not start.
    storage.execute("DELETE FROM otp_devices");
    retain(storage, arguments);
}

fn timed(what: &str, act: impl FnOnce()) {
    let begin = Instant::now();
    act();
    println!("  {what} in {:.1} s", begin.elapsed().as_secs_f64());
}

/// The numbers from 1 to `up_to`, as a table expression of this database.
fn numbers(storage: &Storage, up_to: i64) -> String {
    match storage.kind() {
        StorageKind::Sqlite(_) => format!(
            "(WITH RECURSIVE numbers (n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {up_to})
              SELECT n FROM numbers) AS numbers"
        ),
        StorageKind::Postgres(_) => format!("generate_series(1, {up_to}) AS numbers (n)"),
    }
}

fn fill(storage: &Storage, arguments: &Arguments) {
    let Arguments { devices, events, instances, .. } = arguments;
    let (digest, key) = match storage.kind() {
        StorageKind::Sqlite(_) => ("CAST('digest ' || n AS BLOB)", "zeroblob(68)"),
        StorageKind::Postgres(_) => {
            ("convert_to('digest ' || n, 'UTF8')", "decode(repeat('00', 68), 'hex')")
        }
    };
    let numbers = |up_to| numbers(storage, up_to);
    storage.execute(&format!(
        "INSERT INTO instances (id, name) SELECT 'shop' || n, 'Shop' FROM {}",
        numbers(*instances)
    ));
    storage.execute(&format!(
        "INSERT INTO access_tokens (instance_id, digest, scope, created_at, description)
         SELECT 'shop' || n, {digest}, 'all', 0, '' FROM {}",
        numbers(*instances)
    ));
    storage.execute(&format!(
        "INSERT INTO otp_devices (instance_id, device_id, description, sealed_key, algorithm, counter)
         SELECT 'shop' || (n % {instances} + 1), 'till ' || n, 'Till', {key}, 1, 0 FROM {}",
        numbers(*devices)
    ));
    storage.execute(&format!(
        "INSERT INTO audit_events
             (happened_at, instance_id, actor, operation, device_id, outcome, unrecorded)
         SELECT {OLDEST} + 10 * n, 'shop' || (n % {instances} + 1), 'operator', 'otp-device.add',
                'till ' || n, 'done', 0
         FROM {}",
        numbers(*events)
    ));
}

fn count(storage: &Storage, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    match storage.kind() {
        StorageKind::Sqlite(_) => {
            let sql = sql.replacen("count(*)", "count(*) AS count", 1);
            let counts = diesel::sql_query(sql).load::<Count>(&mut storage.sqlite_session());
            counts.unwrap()[0].count
        }
        StorageKind::Postgres(database) => {
            database.session().query_one(&format!("{sql} "), &[]).unwrap().get(0)
        }
    }
}

/// Values that the upgrade must not change: the number of rows of each table, and the number of
/// rows that have their original serial.
fn summary(storage: &Storage) -> Vec<i64> {
    let mut summary = Vec::new();
    for table in ["instances", "access_tokens", "otp_devices", "audit_events"] {
        summary.push(count(storage, &format!("SELECT count(*) FROM {table}")));
    }
    let same_event =
        format!("happened_at = {OLDEST} + 10 * serial AND device_id = 'till ' || serial");
    summary.push(count(storage, &format!("SELECT count(*) FROM audit_events WHERE {same_event}")));
    let same_token = "instance_id = 'shop' || serial";
    summary.push(count(storage, &format!("SELECT count(*) FROM access_tokens WHERE {same_token}")));
    summary
}

/// Lets the service remove the oldest two to three days of events, of all instances, and asserts
/// that it reads few other rows.
fn retain(storage: &Storage, arguments: &Arguments) {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    let days = (now - OLDEST) / (24 * 60 * 60) - 2;
    let old = "SELECT count(*) FROM audit_events WHERE happened_at <";
    let before = format!("{old} {}", now - (days - 1) * 24 * 60 * 60);
    let before = count(storage, &before);
    let read = || match storage.kind() {
        StorageKind::Sqlite(_) => 0,
        StorageKind::Postgres(database) => {
            let rows = "SELECT (sum(seq_tup_read) + sum(idx_tup_fetch))::bigint
                        FROM pg_stat_user_tables WHERE relname = 'audit_events'";
            database.session().query_one(rows, &[]).unwrap().get(0)
        }
    };
    let read_before = read();
    let begin = Instant::now();
    let server = Server::start_with(storage, &[("AUDIT__RETENTION", &days.to_string())]);
    while !server.log().contains("removed old audit events") {
        assert!(begin.elapsed() < Duration::from_mins(5), "no event is removed");
        sleep(Duration::from_millis(10));
    }
    let took = begin.elapsed();
    server.stop();
    // PostgreSQL updates its statistics with a delay. Read them before this program reads rows too.
    sleep(Duration::from_secs(1));
    let read = read() - read_before;
    let left = count(storage, "SELECT count(*) FROM audit_events");
    let removed = arguments.events - left;
    assert!(removed > 0 && removed <= before, "{removed} of at most {before}");
    println!("  {removed} events of {} instances removed in {took:.1?}", arguments.instances);
    if let StorageKind::Postgres(_) = storage.kind() {
        println!("  {read} rows of the audit trail were read for that");
        // Each removed row is read twice, and so is one further row of each instance; the limit has
        // a margin.
        let most = 4 * removed + 8 * arguments.instances;
        assert!(read <= most, "{read} rows were read to remove {removed}");
    }
}
