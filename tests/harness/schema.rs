//! Schemas of older versions.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Storage, StorageKind};

/// A migration of the project.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The version, as diesel records it.
    pub version: String,
    /// The SQL of `up.sql`.
    pub up: String,
}

impl Storage {
    /// The migrations for this kind of database, in order.
    #[must_use]
    pub fn migrations(&self) -> Vec<Migration> {
        let database = match self.kind() {
            StorageKind::Sqlite(_) => "sqlite",
            StorageKind::Postgres(_) => "postgres",
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(database);
        let mut folders: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
            .iter()
            .map(|folder| {
                let name = folder.file_name().unwrap().to_str().unwrap();
                let version = name.split_once('_').unwrap().0.replace('-', "");
                Migration { version, up: fs::read_to_string(folder.join("up.sql")).unwrap() }
            })
            .collect()
    }

    /// Applies migrations to an empty database and records them, as diesel does.
    pub fn apply(&self, migrations: &[Migration]) {
        if let StorageKind::Sqlite(_) = self.kind() {
            fs::create_dir_all(self.sqlite_path().parent().unwrap()).unwrap();
        }
        self.execute(
            "CREATE TABLE __diesel_schema_migrations (
                 version VARCHAR(50) PRIMARY KEY NOT NULL,
                 run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
             )",
        );
        if let StorageKind::Sqlite(_) = self.kind() {
            // As the service creates it.
            fs::set_permissions(self.sqlite_path(), Permissions::from_mode(0o600)).unwrap();
        }
        for Migration { version, up } in migrations {
            self.execute(up);
            self.execute(&format!(
                "INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"
            ));
        }
    }
}
