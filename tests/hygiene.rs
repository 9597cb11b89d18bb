//! Rules about the files of the project.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files below a folder that have this extension.
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

/// Both databases have the same migrations, by name, each with `up.sql` and `down.sql`.
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

/// The last migration of the first release. Each later migration is applied while the former
/// version serves.
const FIRST_RELEASED: &str = "2026-11-26-000000";

/// The statements that remove something that the former version of the service uses, or that reject
/// its writes.
fn contractions(sql: &str) -> Vec<String> {
    let without_comments: String =
        sql.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join(" ");
    let words = without_comments.to_uppercase();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let of_old_tables = |statement: &&str| {
        let contracts = [
            "DROP TABLE",
            "DROP COLUMN",
            "DROP NOT NULL",
            "SET NOT NULL",
            "RENAME",
            " TYPE ",
            "ADD CONSTRAINT",
            "ADD CHECK",
            "CREATE UNIQUE INDEX",
            "CREATE TRIGGER",
        ];
        let demands = statement.contains(" ADD ")
            && statement.contains("NOT NULL")
            && !statement.contains("DEFAULT");
        demands || contracts.iter().any(|words| statement.contains(words))
    };
    words.split(';').filter(of_old_tables).map(|statement| statement.trim().to_owned()).collect()
}

/// Expand, then contract (migrations/README.md): a migration that contracts has a comment with the
/// version since which the old form is unused.
#[test]
fn migrations_keep_the_former_version_working() {
    for path in files(&root().join("migrations"), "sql") {
        let migration = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        if !path.ends_with("up.sql") || &migration[..FIRST_RELEASED.len()] <= FIRST_RELEASED {
            continue;
        }
        let sql = fs::read_to_string(&path).unwrap();
        let says_why = sql.lines().any(|line| line.starts_with("-- Unused since "));
        let found = contractions(&sql);
        assert!(says_why || found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn contractions_are_recognised() {
    for sql in [
        "ALTER TABLE a DROP COLUMN b;",
        "alter table a\n  rename column b to c;",
        "ALTER TABLE a ADD COLUMN b TEXT NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "CREATE TABLE c (d TEXT NOT NULL); DROP TABLE a;",
    ] {
        assert_eq!(contractions(sql).len(), 1, "{sql}");
    }
    for sql in [
        "ALTER TABLE a ADD COLUMN b TEXT; -- DROP TABLE a",
        "ALTER TABLE a ADD COLUMN b BOOLEAN NOT NULL DEFAULT FALSE;",
        "CREATE TABLE a (b TEXT NOT NULL); CREATE INDEX c ON a (b);",
    ] {
        assert!(contractions(sql).is_empty(), "{sql}");
    }
}

/// A file holds one concept: at most 500 lines, and about 400 in production code.
#[test]
fn no_source_file_is_too_long() {
    for folder in ["crates", "tests"] {
        for path in files(&root().join(folder), "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 500, "{} has {lines} lines", path.display());
        }
    }
}

/// Every crate inherits the lints of the workspace, which forbid unsafe code.
#[test]
fn every_crate_inherits_the_lints_of_the_workspace() {
    let mut manifests = files(&root().join("crates"), "toml");
    manifests.push(root().join("tests/Cargo.toml"));
    for manifest in manifests {
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{}", manifest.display());
    }
}

/// Phrases that leave the subject unclear, or that do not follow the word order of English.
const UNCLEAR: [&str; 13] = [
    "whoever",
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "what came of",
    "came of it",
    "so many",
    "as are",
    "in the way",
    "to be told",
    "knows of",
    "tells of",
];

/// The maximum length of a line of text, in characters.
const WIDTH: usize = 100;

/// The lines of prose in a file, with their numbers: Markdown without tables and code, or comments
/// in Rust.
fn prose<'a>(path: &Path, text: &'a str) -> Vec<(usize, &'a str)> {
    let is_markdown = path.extension().is_some_and(|extension| extension == "md");
    let mut is_code = false;
    let is_prose = |line: &&str| {
        let line = line.trim_start();
        if is_markdown {
            is_code ^= line.starts_with("```");
            return !is_code && !line.starts_with("```") && !line.starts_with('|');
        }
        line.starts_with("//")
    };
    let mut is_prose = is_prose;
    let lines = text.lines().enumerate().filter(|(_, line)| is_prose(line));
    lines.map(|(index, line)| (index + 1, line)).collect()
}

/// The violations in the text of a file.
fn complaints(path: &Path, text: &str) -> Vec<String> {
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let mut found = Vec::new();
    if is_rust && !text.starts_with("//!") {
        found.push(format!("{}: no line `//!` that says what it is", path.display()));
    }
    for (number, line) in prose(path, text) {
        let mut complain = |what: &str| found.push(format!("{}:{number}: {what}", path.display()));
        // A link cannot be wrapped.
        if line.chars().count() > WIDTH && !line.contains("](") && !line.contains("://") {
            complain("longer than 100 characters");
        }
        let words: Vec<_> = line
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let words = format!(" {} ", words.join(" "));
        for phrase in UNCLEAR {
            if words.contains(&format!(" {phrase} ")) {
                complain(phrase);
            }
        }
    }
    found
}

#[test]
fn the_text_is_wrapped_and_plain() {
    let mut paths = files(&root().join("docs"), "md");
    let documents = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    paths.extend(documents.map(|name| root().join(name)));
    paths.push(root().join("migrations/README.md"));
    paths.extend(["crates", "tests"].iter().flat_map(|folder| files(&root().join(folder), "rs")));
    let exceptions = [
        // It contains the list of phrases.
        root().join("tests/hygiene.rs"),
        // The skeleton in the documentation, which is also compiled as the body of a function.
        root().join("crates/transport-kit/tests/skeleton/transport.rs"),
    ];
    paths.retain(|path| !exceptions.contains(path));
    let complaints: Vec<_> = paths
        .iter()
        .flat_map(|path| complaints(path, &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn unclear_text_is_found() {
    let long = format!("// {}", "a ".repeat(60));
    for (name, text) in [
        ("a.rs", "//! A.\n// Whoever asks.\n".to_owned()),
        ("a.rs", "//! A.\n    /// What came of it.\n".to_owned()),
        ("a.rs", format!("//! A.\n{long}\n")),
        ("a.rs", "use a::b;\n".to_owned()),
        ("a.md", "Nobody, that is.\n".to_owned()),
        ("a.md", "a ".repeat(60)),
    ] {
        assert!(!complaints(Path::new(name), &text).is_empty(), "{text}");
    }
    for phrase in UNCLEAR {
        let text = format!("//! A.\n// It is {phrase}, here.\n");
        assert!(!complaints(Path::new("a.rs"), &text).is_empty(), "{phrase}");
    }
    for (name, text) in [
        ("a.rs", "//! A.\nlet nobody = \"nobody\";\n".to_owned()),
        ("a.md", format!("```\n{long} nobody\n```\n| {long} |\n")),
        ("a.md", format!("[a](https://example.com/{})\n", "a".repeat(100))),
    ] {
        assert_eq!(complaints(Path::new(name), &text), Vec::<String>::new(), "{text}");
    }
}

/// Links between the documents point to existing files.
#[test]
fn links_between_documents_point_to_files() {
    let mut documents = files(&root().join("docs"), "md");
    documents.extend(
        ["README.md", "CHANGELOG.md", "migrations/README.md"].map(|name| root().join(name)),
    );
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        // Every other part is a code block.
        let text: String = text.split("```").step_by(2).collect();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap();
            if !target.contains("://") {
                let path = document.parent().unwrap().join(target);
                assert!(path.exists(), "{}: {target}", document.display());
            }
        }
    }
}
