//! A migration that is broken off: the next start does the rest.

use std::fs::File;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;
use merchant_otp_tests::{Server, Storage, StorageKind, binary};

use crate::{device, on_both_databases};

on_both_databases! {
    a_migration_that_was_killed_is_done_by_the_next_start,
    a_migration_of_another_process_is_waited_for,
}

/// Begins to migrate, in a process of its own.
fn begin(storage: &Storage) -> Child {
    let mut migrate = storage.command(&["migrate"], &[]);
    migrate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Holds the service to start on the database, and to work.
fn expect_service(storage: &Storage) {
    let server = Server::start(storage);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let (_, log) = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

/// What the tables, indexes and triggers of a database are.
fn schema(storage: &Storage) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Part {
        #[diesel(sql_type = Text)]
        part: String,
    }
    match storage.kind() {
        StorageKind::Sqlite(_) => {
            let parts =
                "SELECT name || ': ' || coalesce(sql, '') AS part FROM sqlite_master ORDER BY 1";
            let parts = diesel::sql_query(parts).load::<Part>(&mut storage.sqlite_session());
            parts.unwrap().into_iter().map(|part| part.part).collect()
        }
        StorageKind::Postgres(database) => {
            let parts = "
                SELECT table_name || '.' || column_name || ': ' || data_type AS part
                FROM information_schema.columns WHERE table_schema = 'public'
                UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
                UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'refuse%' ORDER BY 1";
            let rows = database.session().query(parts, &[]).unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    }
}

/// The same kind of database, empty.
fn another(storage: &Storage) -> Storage {
    match storage.kind() {
        StorageKind::Sqlite(_) => Storage::sqlite(),
        StorageKind::Postgres(_) => Storage::postgres(),
    }
}

/// Killed at one time after the other, over as long as migrating takes.
fn a_migration_that_was_killed_is_done_by_the_next_start(storage: &Storage) {
    const TIMES: u32 = 20;
    // Built before the time is taken.
    binary();
    let start = Instant::now();
    assert!(begin(storage).wait().unwrap().success());
    let mut whole = start.elapsed();
    let expected = schema(storage);
    let mut half_done = 0;
    for time in 0..TIMES {
        let storage = another(storage);
        let mut migrating = begin(&storage);
        sleep(whole * time / TIMES);
        migrating.kill().unwrap();
        let was_killed = !migrating.wait().unwrap().success();
        let rest = storage.run(&["migrate"]);
        assert!(rest.success, "{}", rest.stderr);
        assert_eq!(schema(&storage), expected, "killed after {time} of {TIMES} parts of {whole:?}");
        half_done += u32::from(was_killed);
        if !was_killed {
            // It takes less time than it did.
            whole = whole * 3 / 4;
        }
        if time % 5 == 0 {
            expect_service(&storage);
        }
    }
    assert!(half_done > TIMES / 4, "only {half_done} were killed before they were done");
}

fn a_migration_of_another_process_is_waited_for(storage: &Storage) {
    enum Lock {
        Sqlite(#[expect(dead_code, reason = "held")] File),
        Postgres(#[expect(dead_code, reason = "held")] Box<::postgres::Client>),
    }
    let lock = match storage.kind() {
        StorageKind::Sqlite(_) => {
            let mut path = storage.sqlite_path().into_os_string();
            std::fs::create_dir_all(storage.sqlite_path().parent().unwrap()).unwrap();
            path.push("-lock");
            let file = File::create(path).unwrap();
            file.lock().unwrap();
            Lock::Sqlite(file)
        }
        StorageKind::Postgres(database) => {
            let mut session = database.session();
            let lock = i64::from_be_bytes(*b"mrch-otp");
            session.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).unwrap();
            Lock::Postgres(Box::new(session))
        }
    };
    let mut waiting = begin(storage);
    sleep(Duration::from_millis(1_500));
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    // As when the other process is killed: the operating system, or the server, lets the lock go.
    drop(lock);
    assert!(waiting.wait().unwrap().success());
    expect_service(storage);
}

/// One migration of several is under way, and its session is ended, or its process.
#[test]
fn a_migration_whose_session_is_lost_leaves_nothing_half_done() {
    for kill_the_process in [false, true] {
        let storage = Storage::postgres();
        let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
        // The migration that adds the audit trail waits for the session that creates its table.
        let mut other = database.session();
        other.batch_execute("BEGIN; CREATE TABLE audit_events (a INT)").unwrap();
        let mut migrating = begin(&storage);
        let mut session = database.session();
        let waits = "SELECT FROM pg_stat_activity WHERE application_name = 'merchant-otp'
            AND wait_event_type = 'Lock' AND datname = current_database()";
        let deadline = Instant::now() + Duration::from_secs(30);
        while session.query(waits, &[]).unwrap().is_empty() {
            assert!(Instant::now() < deadline, "it does not reach the migration");
            sleep(Duration::from_millis(10));
        }
        if kill_the_process {
            migrating.kill().unwrap();
        } else {
            let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'merchant-otp' AND datname = current_database()";
            session.batch_execute(terminate).unwrap();
        }
        assert!(!migrating.wait().unwrap().success());
        let applied = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
        assert_eq!(session.query(applied, &[]).unwrap().len(), 3);
        other.batch_execute("ROLLBACK").unwrap();
        expect_service(&storage);
    }
}
