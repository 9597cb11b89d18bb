//! Migrating a database of PostgreSQL.

use merchant_otp_storage_postgres::{MigrationError, PostgresDatabase, StoreSettings};
use merchant_otp_throwaway_postgres::Database;

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_migrate_at_once() {
    let database = Database::create();
    let adapter = PostgresDatabase::new(&database.url(), 1, StoreSettings::default()).unwrap();
    let pending = adapter.pending_migrations().await.unwrap();
    assert!(!pending.is_empty());

    let (one, two, three) = tokio::join!(adapter.migrate(), adapter.migrate(), adapter.migrate());
    let applied = [one.unwrap(), two.unwrap(), three.unwrap()].concat();
    assert_eq!(applied.len(), pending.len());
    assert_eq!(adapter.pending_migrations().await.unwrap(), Vec::<String>::new());
}

/// A migration of another process may take longer than any statement of the service.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_that_migrates_is_waited_for() {
    let database = Database::create();
    let adapter = PostgresDatabase::new(&database.url(), 1, StoreSettings::default()).unwrap();
    let url = database.url();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let mut session = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let lock = i64::from_be_bytes(*b"mrch-otp");
        session.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).unwrap();
        locked.send(()).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(12));
    });
    tokio::task::block_in_place(|| is_locked.recv().unwrap());
    assert!(!adapter.migrate().await.unwrap().is_empty());
    other.join().unwrap();
}

/// Who may only read and write rows can use a database that is up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_on_the_schema_will_do() {
    let database = Database::create();
    let role = format!("{}_role", database.name());
    let adapter = PostgresDatabase::new(&database.url(), 1, StoreSettings::default()).unwrap();
    let url = database.url().replace("postgres://postgres@", &format!("postgres://{role}@"));
    let limited = PostgresDatabase::new(&url, 1, StoreSettings::default()).unwrap();
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
    let refused = PostgresDatabase::new(&url, 1, StoreSettings::default()).unwrap().migrate().await;
    database.maintain(&format!("DROP DATABASE {latin} WITH (FORCE)"));
    assert!(matches!(refused, Err(MigrationError::Encoding(encoding)) if encoding == "LATIN1"));
}
