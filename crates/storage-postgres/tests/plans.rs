//! What is looked up by key is found by an index, whatever the size of the table when that was planned.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use merchant_otp_domain::{AccessToken, InstanceId, OtpDeviceId};
use merchant_otp_storage_postgres::{PostgresDatabase, StoreSettings};
use merchant_otp_throwaway_postgres::Database;

/// How often the tables of the lookups were read as a whole, and how often by an index.
fn scans(session: &mut postgres::Client) -> (i64, i64) {
    let counted = "SELECT sum(seq_scan)::bigint, sum(idx_scan)::bigint FROM pg_stat_user_tables \
                   WHERE relname IN ('access_tokens', 'instances', 'otp_devices')";
    let row = session.query_one(counted, &[]).unwrap();
    (row.get(0), row.get(1))
}

/// Looks up some devices and tokens, alone and together, until the server has counted it.
async fn look_up(adapter: &PostgresDatabase, database: &Database) {
    let (stores, shop) = (adapter.stores(), InstanceId::parse("shop").unwrap());
    let digest = AccessToken::parse("secret-token:abc").unwrap().digest();
    let counted = || {
        let (whole, by_index) = tokio::task::block_in_place(|| scans(&mut database.session()));
        whole + by_index
    };
    let (before, begin) = (counted(), Instant::now());
    while counted() < before + 10 {
        assert!(begin.elapsed() < Duration::from_mins(1), "the server counts nothing");
        for together in [1, 20] {
            let devices = (1..=together).map(|number| {
                let id = OtpDeviceId::parse(format!("till-{number}")).unwrap();
                let (stores, shop) = (&stores, &shop);
                async move {
                    assert!(stores.otp_devices.find(shop, &id).await.unwrap().is_some());
                    stores.access_tokens.find(shop, &digest).await.unwrap();
                }
            });
            join_all(devices).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_an_index() {
    let database = tokio::task::block_in_place(Database::create);
    let adapter = PostgresDatabase::new(&database.url(), 8, StoreSettings::default()).unwrap();
    adapter.migrate().await.unwrap();
    let before = tokio::task::block_in_place(|| {
        let mut session = database.session();
        session
            .batch_execute(
                "INSERT INTO instances (id, name) VALUES ('shop', 'Shop');
                 INSERT INTO otp_devices \
                    (instance_id, device_id, description, sealed_key, algorithm, counter) \
                 SELECT 'shop', 'till-' || n, 'Till', decode(repeat('ab', 68), 'hex'), 1, 0 \
                 FROM generate_series(1, 20) AS numbers (n);
                 ANALYZE",
            )
            .unwrap();
        // What this session did is counted before the lookups are.
        session.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
        scans(&mut session).0
    });

    look_up(&adapter, &database).await;

    let after = tokio::task::block_in_place(|| scans(&mut database.session()).0);
    assert_eq!(after, before, "a table was read as a whole");
}
