//! Rules about the files of the project.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files below a folder that have an ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// The databases have the same migrations, by name.
#[test]
fn each_database_has_the_same_migrations() {
    let names = |database: &str| -> BTreeSet<_> {
        let folder = fs::read_dir(root().join("migrations").join(database)).unwrap();
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let migrations = names("sqlite");
    assert!(!migrations.is_empty());
    assert_eq!(migrations, names("postgres"));
    for database in ["sqlite", "postgres"] {
        for name in &migrations {
            for step in ["up.sql", "down.sql"] {
                let path = root().join("migrations").join(database).join(name).join(step);
                assert!(path.is_file(), "{}", path.display());
            }
        }
    }
}

/// A file is one concept: production code has at most about 400 lines, tests somewhat more.
#[test]
fn no_source_file_is_two_rooms_in_one() {
    for folder in ["crates", "tests"] {
        for path in files(&root().join(folder), "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 500, "{} has {lines} lines", path.display());
        }
    }
}

/// Every crate takes the lints of the workspace, which forbid unsafe code.
#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let mut manifests = files(&root().join("crates"), "toml");
    manifests.push(root().join("tests/Cargo.toml"));
    for manifest in manifests {
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{}", manifest.display());
    }
}
