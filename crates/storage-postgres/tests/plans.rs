//! Rows are found by an index, regardless of the table's size when the statement was planned.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use merchant_otp_domain::{AccessToken, InstanceId, OtpDeviceId, Timestamp};
use merchant_otp_ports::{AccessTokenLookup, StorageBackend, Stores};
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
use merchant_otp_throwaway_postgres::Database;
use postgres::Client;
use tokio::runtime::Runtime;

/// The number of concurrent look-ups.
const CONCURRENT: u32 = 20;

/// The tables of the look-ups.
const LOOKED_UP: &str = "('access_tokens', 'instances', 'otp_devices')";

/// The number of rows that the server has read in the given tables, according to its statistics.
fn rows_read(session: &mut Client, tables: &str) -> i64 {
    let sum = |of: &str, table: &str| {
        format!("(SELECT sum({of}) FROM {table} WHERE relname IN {tables})")
    };
    let (whole, by_index) =
        (sum("seq_tup_read", "pg_stat_user_tables"), sum("idx_tup_read", "pg_stat_user_indexes"));
    session.query_one(&format!("SELECT ({whole} + {by_index})::bigint"), &[]).unwrap().get(0)
}

/// Waits until all other sessions have ended, so that the statistics include their reads.
fn wait_for_other_sessions(session: &mut Client) {
    let others = "SELECT count(*) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid() \
                    AND backend_type = 'client backend'";
    let begin = Instant::now();
    while session.query_one(others, &[]).unwrap().get::<_, i64>(0) > 0 {
        assert!(begin.elapsed() < Duration::from_mins(1), "a session does not end");
        sleep(Duration::from_millis(20));
    }
}

fn token(number: u32) -> AccessToken {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    AccessToken::from_random(&bytes.into())
}

/// Inserts a device and a token for each number.
fn fill(session: &mut Client, numbers: std::ops::RangeInclusive<u32>) {
    session
        .execute(
            "INSERT INTO otp_devices \
                (instance_id, device_id, description, sealed_key, algorithm, counter) \
             SELECT 'shop', 'till-' || n, 'Till', decode(repeat('ab', 68), 'hex'), 1, 0 \
             FROM generate_series($1::bigint, $2) AS numbers (n)",
            &[&i64::from(*numbers.start()), &i64::from(*numbers.end())],
        )
        .unwrap();
    let digests: Vec<_> =
        numbers.map(|number| token(number).digest().as_bytes().to_vec()).collect();
    session
        .execute(
            "INSERT INTO access_tokens (instance_id, digest, scope, created_at, description) \
             SELECT 'shop', digest, 'readonly', 0, '' FROM unnest($1::bytea[]) AS digests (digest)",
            &[&digests],
        )
        .unwrap();
}

/// Looks up devices and tokens, first a single one and then several concurrently.
async fn look_up(stores: &Stores) {
    let shop = InstanceId::parse("shop").unwrap();
    for together in [1, CONCURRENT] {
        let lookups = (1..=together).map(|number| {
            let id = OtpDeviceId::parse(format!("till-{number}")).unwrap();
            let digest = token(number).digest();
            let shop = &shop;
            async move {
                let device = stores.otp_devices.find(shop, &id).await.unwrap().unwrap();
                assert_eq!(device.id, id);
                let lookup = stores.access_tokens.find(shop, &digest).await.unwrap();
                assert!(matches!(lookup, AccessTokenLookup::Found(_)), "{lookup:?}");
            }
        });
        join_all(lookups).await;
    }
}

fn open(database: &Database) -> PostgresBackend {
    let settings = PostgresSettings { connections: 3, sets: 1 };
    PostgresBackend::open(&database.url(), settings).unwrap()
}

#[test]
fn keys_are_found_by_their_index() {
    let runtime = Runtime::new().unwrap();
    let database = Database::create();
    let mut session = database.session();
    let backend = {
        let _on_runtime = runtime.enter();
        open(&database)
    };
    runtime.block_on(backend.migrate()).unwrap();
    let stores = backend.stores();
    session.batch_execute("INSERT INTO instances (id, name) VALUES ('shop', 'Shop')").unwrap();
    fill(&mut session, 1..=CONCURRENT);
    session.batch_execute("VACUUM ANALYZE").unwrap();
    // The statements are planned while the tables are small.
    runtime.block_on(look_up(&stores));
    fill(&mut session, CONCURRENT + 1..=10_000);
    session.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    let before = rows_read(&mut session, LOOKED_UP);

    runtime.block_on(look_up(&stores));

    drop((stores, backend));
    drop(runtime);
    wait_for_other_sessions(&mut session);
    let read = rows_read(&mut session, LOOKED_UP) - before;
    // Each look-up reads a device, an instance and a token; the reads of the first round may be
    // counted late.
    let wanted = i64::from(3 * (1 + CONCURRENT));
    assert!((wanted..4 * wanted).contains(&read), "{read} rows were read");
}

/// Retention walks along the primary key from instance to instance, and reads few events that it
/// does not remove.
///
/// `cargo xtask upgrade` checks this among ten million events.
#[test]
fn retention_reads_few_events_that_it_keeps() {
    const INSTANCES: i64 = 100;
    let runtime = Runtime::new().unwrap();
    let database = Database::create();
    let mut session = database.session();
    let backend = {
        let _on_runtime = runtime.enter();
        open(&database)
    };
    runtime.block_on(backend.migrate()).unwrap();
    session
        .execute(
            "INSERT INTO audit_events
                 (instance_id, happened_at, actor, operation, outcome, unrecorded)
             SELECT 'shop' || n % $1::bigint, n, 'operator', 'instance.add', 'done', 0
             FROM generate_series(0, 99999) AS numbers (n)",
            &[&INSTANCES],
        )
        .unwrap();
    session.batch_execute("VACUUM ANALYZE").unwrap();
    session.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    let tables = "('audit_events')";
    let before = rows_read(&mut session, tables);

    let stores = backend.stores();
    let removed = runtime.block_on(async {
        let time = Timestamp::from_seconds(1_000).unwrap();
        let (mut removed, mut after) = (0, None);
        while let Some(one) = stores.audit.remove_before(time, after.as_ref(), 100).await.unwrap() {
            removed += one.removed;
            after = Some(one.instance);
        }
        removed
    });
    assert_eq!(removed, 1_000);
    drop((stores, backend));
    drop(runtime);
    wait_for_other_sessions(&mut session);
    let read = rows_read(&mut session, tables) - before;
    // Each removed event is read twice, in the index and in the table, and each instance costs some
    // more reads.
    let most = 6 * 1_000 + 10 * INSTANCES;
    assert!((1_000..most).contains(&read), "{read} rows were read");
}
