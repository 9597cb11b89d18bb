//! Making and migrating a database of SQLite.

use std::time::Duration;

use std::sync::{Arc, Barrier};

use merchant_otp_storage_sqlite::SqliteDatabase;

const MIGRATIONS: [&str; 4] =
    ["20261124000000", "20261124060000", "20261124070000", "20261124090000"];

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_make_and_migrate_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("otp.db");
        let start = Arc::new(Barrier::new(8));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (database, start) =
                    (SqliteDatabase::new(path.clone(), 1, Duration::ZERO), Arc::clone(&start));
                tokio::task::spawn_blocking(move || {
                    start.wait();
                    tokio::runtime::Handle::current().block_on(database.migrate()).unwrap()
                })
            })
            .collect();
        let mut applied = Vec::new();
        for task in tasks {
            applied.extend(task.await.unwrap());
        }
        let database = SqliteDatabase::new(path, 1, Duration::ZERO);
        assert_eq!(database.pending_migrations().await.unwrap(), Vec::<String>::new());
        assert_eq!(applied, MIGRATIONS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_pending_migrations_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.db");
    let database = SqliteDatabase::new(path.clone(), 1, Duration::ZERO);
    assert!(database.pending_migrations().await.is_err());
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert_eq!(database.pending_migrations().await.unwrap(), MIGRATIONS);
    assert_eq!(database.pending_migrations().await.unwrap(), MIGRATIONS);
    assert_eq!(database.migrate().await.unwrap(), MIGRATIONS);
}
