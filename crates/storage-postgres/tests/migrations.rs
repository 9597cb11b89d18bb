//! Migrating a database of PostgreSQL.

use merchant_otp_storage_postgres::{MigrationError, PostgresDatabase};
use merchant_otp_throwaway_postgres::Database;

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_migrate_at_once() {
    let database = Database::create();
    let adapter = PostgresDatabase::new(&database.url(), 1).unwrap();
    let pending = adapter.pending_migrations().await.unwrap();
    assert!(!pending.is_empty());

    let (one, two, three) = tokio::join!(adapter.migrate(), adapter.migrate(), adapter.migrate());
    let applied = [one.unwrap(), two.unwrap(), three.unwrap()].concat();
    assert_eq!(applied.len(), pending.len());
    assert_eq!(adapter.pending_migrations().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let database = Database::create();
    let latin = format!("{}_latin", database.name());
    database.maintain(&format!(
        "CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    ));
    let url = database.url().replace(database.name(), &latin);
    let refused = PostgresDatabase::new(&url, 1).unwrap().migrate().await;
    database.maintain(&format!("DROP DATABASE {latin} WITH (FORCE)"));
    assert!(matches!(refused, Err(MigrationError::Encoding(encoding)) if encoding == "LATIN1"));
}
