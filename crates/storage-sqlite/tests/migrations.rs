//! Tests of creating and migrating SQLite databases.

use merchant_otp_ports::StorageBackend;
use merchant_otp_storage_sqlite::SqliteBackend;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};

const MIGRATIONS: [&str; 7] = [
    "20261124000000",
    "20261124060000",
    "20261124070000",
    "20261124090000",
    "20261126000000",
    "20261127000000",
    "20261127100000",
];

fn open(path: PathBuf) -> SqliteBackend {
    SqliteBackend::open(path, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_make_and_migrate_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("otp.db");
        let start = Arc::new(Barrier::new(8));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (database, start) = (open(path.clone()), Arc::clone(&start));
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
        let database = open(path);
        assert_eq!(database.pending_migrations().await.unwrap(), Vec::<String>::new());
        assert_eq!(applied, MIGRATIONS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_pending_migrations_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.db");
    let database = open(path.clone());
    assert!(database.pending_migrations().await.is_err());
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert_eq!(database.pending_migrations().await.unwrap(), MIGRATIONS);
    assert_eq!(database.pending_migrations().await.unwrap(), MIGRATIONS);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    assert_eq!(database.migrate().await.unwrap(), MIGRATIONS);
    // The empty file became a database, which only its owner can access.
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
