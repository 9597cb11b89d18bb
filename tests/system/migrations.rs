//! Interrupted migrations: the next start completes them.

use std::fs::File;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;
use merchant_otp_tests::{Server, Storage, StorageKind, binary, wait_until};

use crate::{device, on_both_databases};

on_both_databases! {
    a_killed_migration_is_completed_by_the_next_start,
    a_migration_waits_for_that_of_another_process,
}

/// Starts a process that migrates the database.
fn begin(storage: &Storage) -> Child {
    let mut migrate = storage.command(&["migrate"], &[]);
    migrate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Asserts that the service starts on the database and stores a device.
fn expect_service(storage: &Storage) {
    let server = Server::start(storage);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    let (_, log) = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

/// The tables, indexes and triggers of a database.
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

/// An empty database of the same kind.
fn another(storage: &Storage) -> Storage {
    match storage.kind() {
        StorageKind::Sqlite(_) => Storage::sqlite(),
        StorageKind::Postgres(_) => Storage::postgres(),
    }
}

/// The migration is killed at different times, spread over its whole duration.
fn a_killed_migration_is_completed_by_the_next_start(storage: &Storage) {
    const TIMES: u32 = 20;
    // Build the binary before the time is measured.
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
            // The migration takes less time than was measured.
            whole = whole * 3 / 4;
        }
        if time % 5 == 0 {
            expect_service(&storage);
        }
    }
    assert!(half_done > TIMES / 4, "only {half_done} were killed before they were done");
}

fn a_migration_waits_for_that_of_another_process(storage: &Storage) {
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
    // As when the other process is killed: the operating system or PostgreSQL releases the lock.
    drop(lock);
    assert!(waiting.wait().unwrap().success());
    expect_service(storage);
}

/// The session or the process is ended during one of several migrations.
#[test]
fn an_interrupted_migration_leaves_nothing_half_done() {
    for kill_the_process in [false, true] {
        let storage = Storage::postgres();
        let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
        // The migration that adds the audit trail waits for a session that creates the same table.
        let mut other = database.session();
        other.batch_execute("BEGIN; CREATE TABLE audit_events (a INT)").unwrap();
        let mut migrating = begin(&storage);
        let mut session = database.session();
        let waits = "SELECT FROM pg_stat_activity WHERE application_name = 'merchant-otp'
            AND wait_event_type = 'Lock' AND datname = current_database()";
        wait_until("it reaches the migration", || !session.query(waits, &[]).unwrap().is_empty());
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
