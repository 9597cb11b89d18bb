//! No database is created in the place of a lost one, and no log is applied to another file.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use merchant_otp_domain::MasterKeyId;
use merchant_otp_ports::{BackendError, StorageBackend};
use merchant_otp_storage_sqlite::SqliteBackend;
use tempfile::TempDir;

/// A database as a killed process leaves it: with a log that holds the newest data.
struct Killed {
    folder: TempDir,
    /// A consistent copy, made before the newest data, by a method with this name.
    copies: BTreeMap<&'static str, PathBuf>,
}

fn open(path: &Path) -> SqliteBackend {
    SqliteBackend::open(path.to_owned(), 2)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes nothing, on the connection that writes.
async fn write(backend: &SqliteBackend) {
    let key = MasterKeyId::new([0; 8]);
    assert!(!backend.stores().sealed_keys.remove_check_value(key).await.unwrap());
}

/// The files of a folder, by name: their size, and a hash of their content. An empty lock says
/// nothing.
fn contents(folder: &Path) -> BTreeMap<String, (usize, u64)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file()).map(|entry| {
        let content = fs::read(entry.path()).unwrap();
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        (entry.file_name().into_string().unwrap(), (content.len(), hasher.finish()))
    });
    files.filter(|(name, (length, _))| !(name.ends_with("-lock") && *length == 0)).collect()
}

/// Opens a connection without any rule of the adapter.
fn session(path: &Path) -> SqliteConnection {
    SqliteConnection::establish(path.to_str().unwrap()).unwrap()
}

/// Adds rows that many pages hold.
const ROWS: &str = "
    CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT);
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
    INSERT INTO rows (text) SELECT hex(randomblob(100)) FROM numbers;";

impl Killed {
    async fn new() -> Self {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("otp.db");
        let backend = open(&path);
        backend.migrate().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copies = folder.path().join("copies");
        fs::create_dir(&copies).unwrap();
        let [backup, vacuum, file] = ["backup", "vacuum", "file"].map(|name| copies.join(name));
        let mut session = session(&path);
        session.batch_execute(ROWS).unwrap();
        backend.back_up(&backup).await.unwrap();
        session.batch_execute(&format!("VACUUM INTO '{}'", vacuum.display())).unwrap();
        fs::set_permissions(&vacuum, Permissions::from_mode(0o600)).unwrap();
        session.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        fs::copy(&path, &file).unwrap();
        session.batch_execute("DELETE FROM rows WHERE id % 3 = 0").unwrap();
        session.batch_execute(ROWS).unwrap();
        session.batch_execute("PRAGMA wal_checkpoint(RESTART)").unwrap();
        session.batch_execute("UPDATE rows SET text = 'newest' WHERE id = 1").unwrap();
        // The state of the disk at the moment of the kill.
        for suffix in ["", "-wal", "-shm", "-lock"] {
            let copy = folder.path().join(format!("otp.db{suffix}"));
            fs::copy(beside(&path, suffix), copy).unwrap();
        }
        let copies = BTreeMap::from([("backup", backup), ("vacuum", vacuum), ("file", file)]);
        Self { folder, copies }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("otp.db")
    }

    /// Records the files as those that the killed process had: they are not copies.
    fn recorded(self) -> Self {
        let mark = |suffix| {
            let metadata = fs::metadata(beside(&self.path(), suffix)).unwrap();
            let created = metadata.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
            format!("{:x}-{:x}", metadata.ino(), created.as_nanos())
        };
        let lock = beside(&self.path(), "-lock");
        let record = fs::read_to_string(&lock).unwrap();
        let (ids, _) = record.split_once('\n').unwrap();
        fs::write(lock, format!("{ids}\nfiles {} {}\n", mark(""), mark("-lock"))).unwrap();
        self
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Whether the database has the row that was written last.
fn has_newest(path: &Path) -> bool {
    let newest = "SELECT count(*) AS count FROM rows WHERE text = 'newest'";
    diesel::sql_query(newest).get_result::<Count>(&mut session(path)).unwrap().count == 1
}

/// Nothing that opens a database creates one beside these remains.
async fn expect_lost(path: &Path, copy: &Path, found: &[&str]) {
    let before = contents(path.parent().unwrap());
    let backend = open(path);
    let errors = [
        backend.pending_migrations().await.err(),
        backend.migrate().await.err(),
        backend.restore(copy).await.err(),
        backend.accept_file().await.err(),
        backend.back_up(&copy.with_extension("new")).await.err(),
    ];
    for error in errors {
        let Some(BackendError::Lost { database, found: remains }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(database, path);
        assert_eq!(remains, found.iter().map(|suffix| beside(path, suffix)).collect::<Vec<_>>());
    }
    assert!(!path.exists() || fs::read(path).unwrap().is_empty());
    assert_eq!(contents(path.parent().unwrap()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_database_is_created_beside_the_remains_of_one() {
    let killed = Killed::new().await.recorded();
    let (path, copy) = (killed.path(), &killed.copies["backup"]);
    let away = killed.folder.path().join("away");
    fs::rename(&path, &away).unwrap();
    expect_lost(&path, copy, &["-wal", "-shm", "-lock"]).await;
    // SQLite deletes a log beside an empty file.
    fs::write(&path, "").unwrap();
    for (removed, left) in [("-lock", &["-wal", "-shm"][..]), ("-wal", &["-shm"]), ("-shm", &[])] {
        let (from, to) = (beside(&path, removed), beside(&away, removed));
        fs::rename(&from, &to).unwrap();
        if !left.is_empty() {
            let backend = open(&path);
            assert!(matches!(backend.migrate().await, Err(BackendError::Lost { .. })), "{left:?}");
            fs::remove_file(&path).unwrap();
            // Reading the record of the lock created an empty one.
            let _not_always = fs::remove_file(beside(&path, "-lock"));
            expect_lost(&path, copy, left).await;
            let _not_always = fs::remove_file(beside(&path, "-lock"));
            fs::write(&path, "").unwrap();
        }
    }
    // The lock alone names a database.
    fs::remove_file(&path).unwrap();
    fs::copy(beside(&away, "-lock"), beside(&path, "-lock")).unwrap();
    expect_lost(&path, copy, &["-lock"]).await;
    // Nothing is left: a new database is created. A master key alone is no sign of one.
    fs::remove_file(beside(&path, "-lock")).unwrap();
    fs::write(path.with_file_name("master.key"), "key").unwrap();
    let backend = open(&path);
    assert!(matches!(backend.pending_migrations().await, Err(BackendError::Missing(_))));
    assert!(!path.exists());
    assert!(!backend.migrate().await.unwrap().is_empty());
    // The files that were moved away are complete.
    assert!(has_newest(&away));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_opened_with_the_log_of_another_one() {
    for name in ["backup", "vacuum", "file"] {
        let killed = Killed::new().await.recorded();
        let (path, copy) = (killed.path(), &killed.copies[name]);
        let away = killed.folder.path().join("away");
        fs::rename(&path, &away).unwrap();
        fs::copy(copy, path.with_extension("tmp")).unwrap();
        fs::rename(path.with_extension("tmp"), &path).unwrap();
        let before = contents(killed.folder.path());
        let backend = open(&path);
        let errors = [
            backend.pending_migrations().await.err(),
            backend.migrate().await.err(),
            backend.back_up(&killed.folder.path().join("new")).await.err(),
        ];
        for error in errors {
            assert!(matches!(error, Some(BackendError::ForeignLog { .. })), "{name}: {error:?}");
        }
        assert!(backend.stores().instances.list().await.is_err());
        assert_eq!(contents(killed.folder.path()), before, "{name}");

        // The file that the log belongs to is put back.
        fs::rename(&path, path.with_extension("tmp")).unwrap();
        fs::rename(&away, &path).unwrap();
        assert_eq!(open(&path).pending_migrations().await.unwrap(), Vec::<String>::new());
        assert!(has_newest(&path), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_file_is_opened_without_the_log() {
    for name in ["backup", "vacuum", "file"] {
        let killed = Killed::new().await.recorded();
        let (path, copy) = (killed.path(), &killed.copies[name]);
        let log = fs::read(beside(&path, "-wal")).unwrap();
        fs::remove_file(&path).unwrap();
        fs::copy(copy, &path).unwrap();
        let renamed = open(&path).accept_file().await.unwrap();
        assert_eq!(renamed, ["-wal.1", "-shm.1"].map(|suffix| beside(&path, suffix)), "{name}");
        assert_eq!(fs::read(&renamed[0]).unwrap(), log, "the log was not kept");
        // To accept it again changes nothing.
        assert_eq!(open(&path).accept_file().await.unwrap(), Vec::<PathBuf>::new());
        let backend = open(&path);
        assert_eq!(backend.pending_migrations().await.unwrap(), Vec::<String>::new());
        assert_eq!(backend.stores().instances.list().await.unwrap(), [], "{name}");
        assert!(!has_newest(&path), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_not_accepted() {
    let killed = Killed::new().await.recorded();
    let path = killed.path();
    fs::remove_file(&path).unwrap();
    for text in ["no database".to_owned(), "x".repeat(8192)] {
        fs::write(&path, text).unwrap();
        let before = contents(killed.folder.path());
        let refused = open(&path).accept_file().await;
        assert!(matches!(refused, Err(BackendError::Database(_))), "{refused:?}");
        assert_eq!(contents(killed.folder.path()), before);
    }
}

/// All files of a database are moved, or copied to another disk: the log belongs to the file.
#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_database_may_be_moved_together() {
    let killed = Killed::new().await;
    let path = killed.path();
    assert_eq!(open(&path).pending_migrations().await.unwrap(), Vec::<String>::new());
    assert!(has_newest(&path));
}

/// As by the former version, whose lock was empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_no_record_names_is_applied() {
    let killed = Killed::new().await.recorded();
    let path = killed.path();
    fs::write(beside(&path, "-lock"), "").unwrap();
    assert_eq!(open(&path).pending_migrations().await.unwrap(), Vec::<String>::new());
    assert!(has_newest(&path));
}

/// Without a log, a copy may take the place of the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_replaces_a_database_that_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("otp.db"), folder.path().join("copy.db"));
    open(&path).migrate().await.unwrap();
    open(&path).back_up(&copy).await.unwrap();
    let lock = fs::read(beside(&path, "-lock")).unwrap();
    fs::rename(&copy, &path).unwrap();
    let backend = open(&path);
    assert_eq!(backend.pending_migrations().await.unwrap(), Vec::<String>::new());
    assert_ne!(fs::read(beside(&path, "-lock")).unwrap(), lock, "the file is recorded");
}

/// Each process that writes gives the file a new id, in its header and in the lock.
#[tokio::test(flavor = "multi_thread")]
async fn the_id_changes_with_each_process_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.db");
    open(&path).migrate().await.unwrap();
    // In the header of the file, not only in the log.
    let id = || {
        let header = fs::read(&path).unwrap();
        i32::from_be_bytes(header[60..64].try_into().unwrap())
    };
    let lock = || fs::read_to_string(beside(&path, "-lock")).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let before = (id(), lock());
        // A process that only reads changes nothing.
        let reads = open(&path);
        assert_eq!(reads.stores().instances.list().await.unwrap(), []);
        drop(reads);
        assert_eq!((id(), lock()), before);
        seen.push(id());
        let writes = open(&path);
        write(&writes).await;
        assert_ne!(id(), before.0);
        assert!(lock().starts_with(&format!("database {:08x}\n", id())), "{}", lock());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    let serves = open(&path);
    serves.reserve().await.unwrap();
    assert_ne!(id(), seen[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_from_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("otp.db");
    let first = open(&path);
    first.reserve().await.unwrap();
    assert!(!path.exists());
    first.migrate().await.unwrap();
    let second = open(&path);
    let refused = second.reserve().await;
    let Err(BackendError::Served { process, .. }) = refused else { panic!("{refused:?}") };
    assert!(process.starts_with(&format!("process {} on ", std::process::id())), "{process}");
    // Commands are not refused.
    assert_eq!(second.migrate().await.unwrap(), Vec::<String>::new());
    let accepted = second.accept_file().await;
    assert!(matches!(accepted, Err(BackendError::Served { .. })), "{accepted:?}");
    let stores = first.stores();
    drop(first);
    assert!(second.reserve().await.is_err(), "the stores still serve");
    drop(stores);
    second.reserve().await.unwrap();
}

/// Only the index of a log is made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_changed_by_its_restoration() {
    let killed = Killed::new().await;
    fs::remove_file(beside(&killed.path(), "-shm")).unwrap();
    let before = contents(killed.folder.path());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.db");
    open(&path).restore(&killed.path()).await.unwrap();
    assert!(has_newest(&path), "the log of the copy was not read");
    fs::remove_file(beside(&killed.path(), "-shm")).unwrap();
    assert_eq!(contents(killed.folder.path()), before);
    let copies = contents(&killed.folder.path().join("copies"));
    let other = folder.path().join("other.db");
    open(&other).restore(&killed.copies["backup"]).await.unwrap();
    assert_eq!(contents(&killed.folder.path().join("copies")), copies);
}
