//! A database for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use merchant_otp_throwaway_postgres::{Cluster, Database};
use tempfile::TempDir;

use crate::binary::{Output, command};

/// A new, empty database; removed on drop.
pub struct Storage {
    kind: StorageKind,
    /// The folder of the master keys.
    keys: TempDir,
    /// The URL for the binary, if it differs from that of the database.
    url: Option<String>,
}

/// The kind of database.
pub enum StorageKind {
    /// SQLite, in a folder of its own.
    Sqlite(TempDir),
    /// A database of PostgreSQL.
    Postgres(Database),
}

impl Storage {
    /// A SQLite database whose file does not exist yet.
    #[must_use]
    pub fn sqlite() -> Self {
        Self::new(StorageKind::Sqlite(tempfile::tempdir().unwrap()))
    }

    /// Like [`Storage::sqlite`], below this folder.
    #[must_use]
    pub fn sqlite_in(folder: &Path) -> Self {
        Self::new(StorageKind::Sqlite(tempfile::tempdir_in(folder).unwrap()))
    }

    /// An empty PostgreSQL database.
    #[must_use]
    pub fn postgres() -> Self {
        Self::new(StorageKind::Postgres(Database::create()))
    }

    /// An empty PostgreSQL database in this cluster, which the test may break.
    #[must_use]
    pub fn postgres_in(cluster: &Cluster) -> Self {
        Self::new(StorageKind::Postgres(Database::create_in(cluster)))
    }

    fn new(kind: StorageKind) -> Self {
        let storage = Self { kind, keys: tempfile::tempdir().unwrap(), url: None };
        if let StorageKind::Postgres(_) = storage.kind {
            storage.make_master_key("master.key");
        }
        storage
    }

    /// The same database, which the binary now reaches through this URL.
    #[must_use]
    pub fn through(self, url: String) -> Self {
        Self { url: Some(url), ..self }
    }

    /// Generates a master key in a file; returns its path.
    #[expect(clippy::must_use_candidate, reason = "some callers know it")]
    pub fn make_master_key(&self, name: &str) -> PathBuf {
        let path = self.key_path(name);
        let made = ["key", "generate", path.to_str().unwrap()];
        let made = Output::of(command(&made, &[]));
        assert!(made.success, "{}", made.stderr);
        path
    }

    /// The path of a master key with this file name.
    #[must_use]
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    /// The settings for the database and its master key.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("STORAGE__URL", self.url())];
        if let StorageKind::Postgres(_) = self.kind {
            let key = self.key_path("master.key");
            settings.push(("SECURITY__MASTER_KEYS", format!("file:{}", key.display())));
        }
        settings
    }

    /// A command of the binary on this database, with additional settings.
    #[must_use]
    pub fn command(&self, arguments: &[&str], more: &[(&str, &str)]) -> Command {
        let settings = self.settings();
        let settings = settings.iter().map(|(name, value)| (*name, &**value));
        let settings: Vec<_> = settings.chain(more.iter().copied()).collect();
        command(arguments, &settings)
    }

    /// The kind of database.
    #[must_use]
    pub fn kind(&self) -> &StorageKind {
        &self.kind
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        if let Some(url) = &self.url {
            return url.clone();
        }
        match &self.kind {
            StorageKind::Sqlite(_) => format!("sqlite:{}", self.sqlite_path().display()),
            StorageKind::Postgres(database) => database.url(),
        }
    }

    /// The path of the SQLite file.
    #[must_use]
    pub fn sqlite_path(&self) -> PathBuf {
        match &self.kind {
            StorageKind::Sqlite(folder) => folder.path().join("new folder").join("o#t%p?.db"),
            StorageKind::Postgres(_) => panic!("it is PostgreSQL"),
        }
    }

    /// Runs a command of the binary on this database.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        Output::of(self.command(arguments, &[]))
    }

    /// Runs a command of the binary with additional settings.
    #[must_use]
    pub fn run_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        Output::of(self.command(arguments, more))
    }

    /// Runs a command of the binary with this standard input.
    #[must_use]
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        Output::of_input(self.command(arguments, &[]), input)
    }

    /// Adds an instance and sets its password.
    pub fn password(&self, instance: &str, password: &str) {
        let added = self.run(&["instance", "add", instance, "--name", instance]);
        assert!(added.success, "{}", added.stderr);
        let set = self.run_with_input(&["instance", "set-password", instance], password);
        assert!(set.success, "{}", set.stderr);
    }

    /// Adds an instance and an access token for it; returns the token.
    #[must_use]
    pub fn token(&self, instance: &str, scope: &str, duration: &str) -> String {
        let added = self.run(&["instance", "add", instance, "--name", instance]);
        assert!(added.success, "{}", added.stderr);
        let issued = ["token", "add", "--instance", instance, "--scope", scope];
        let issued = self.run(&[&issued[..], &["--duration", duration]].concat());
        assert!(issued.success, "{}", issued.stderr);
        issued.stdout.trim_end().to_owned()
    }

    /// Executes SQL directly on the database, without the service.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap();
    }

    /// Like [`Storage::execute`], for SQL that the database may refuse.
    ///
    /// # Errors
    ///
    /// The message of the database.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        match &self.kind {
            StorageKind::Sqlite(_) => {
                self.sqlite_session().batch_execute(sql).map_err(|error| error.to_string())
            }
            StorageKind::Postgres(database) => {
                // `Display` omits the message of the server.
                database.session().batch_execute(sql).map_err(|error| format!("{error:?}"))
            }
        }
    }

    /// Opens a connection to the SQLite file.
    #[must_use]
    pub fn sqlite_session(&self) -> SqliteConnection {
        let path = self.sqlite_path().display().to_string();
        let mut session = SqliteConnection::establish(&path).unwrap();
        session.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        session
    }
}
