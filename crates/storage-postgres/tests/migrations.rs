//! Tests of migrating PostgreSQL databases.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use merchant_otp_ports::{BackendError, StorageBackend};
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
use merchant_otp_throwaway_postgres::Database;

fn open(url: &str) -> PostgresBackend {
    let settings = PostgresSettings { connections: 3, sets: 1 };
    PostgresBackend::open(url, settings).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_migrate_at_once() {
    let database = Database::create();
    let adapter = open(&database.url());
    let pending = adapter.pending_migrations().await.unwrap();
    assert!(!pending.is_empty());

    let (one, two, three) = tokio::join!(adapter.migrate(), adapter.migrate(), adapter.migrate());
    let applied = [one.unwrap(), two.unwrap(), three.unwrap()].concat();
    assert_eq!(applied.len(), pending.len());
    assert_eq!(adapter.pending_migrations().await.unwrap(), Vec::<String>::new());
}

/// A migration of another process may take longer than any other statement of the service.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_that_migrates_is_waited_for() {
    let database = Database::create();
    let adapter = open(&database.url());
    let url = database.url();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let mut session = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let lock = i64::from_be_bytes(*b"mrch-otp");
        session.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).unwrap();
        locked.send(()).unwrap();
        std::thread::sleep(Duration::from_secs(12));
    });
    tokio::task::block_in_place(|| is_locked.recv().unwrap());
    assert!(!adapter.migrate().await.unwrap().is_empty());
    other.join().unwrap();
}

/// A role that may only read and write rows can use a database that is up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_on_the_schema_will_do() {
    let database = Database::create();
    let role = format!("{}_role", database.name());
    let adapter = open(&database.url());
    let url = database.url().replace("postgres://postgres@", &format!("postgres://{role}@"));
    let limited = open(&url);
    let execute = |sql: String| {
        let url = database.url();
        std::thread::spawn(move || {
            let mut session = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            session.batch_execute(&sql).unwrap();
        })
        .join()
        .unwrap();
    };
    execute(format!("CREATE ROLE {role} LOGIN"));
    assert!(!limited.pending_migrations().await.unwrap().is_empty());
    adapter.migrate().await.unwrap();
    execute(format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    assert_eq!(limited.pending_migrations().await.unwrap(), Vec::<String>::new());
    assert_eq!(limited.migrate().await.unwrap(), Vec::<String>::new());
    execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let database = Database::create();
    let latin = format!("{}_latin", database.name());
    database.maintain(&format!(
        "CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    ));
    let url = database.url().replace(database.name(), &latin);
    let refused = open(&url).migrate().await;
    database.maintain(&format!("DROP DATABASE {latin} WITH (FORCE)"));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, BackendError::Unsuitable(_)));
    assert!(refused.to_string().contains("the encoding LATIN1"), "{refused}");
}
