//! The allowed dependencies of each crate, compared for exact equality.
//!
//! A new dependency changes these tables, so that a reviewer notices it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The dependencies of each crate: crates of the workspace, then external ones.
const DEPENDENCIES: &[(&str, &str, &str)] = &[
    ("domain", "", "argon2 data-encoding hmac sha1 sha2 strum subtle thiserror zeroize"),
    ("ports", "domain", "async-trait thiserror"),
    (
        "application",
        "domain ports",
        "async-trait fastrand getrandom metrics quick_cache serde serde_json thiserror tokio tracing zeroize",
    ),
    ("sealing", "domain ports", "chacha20poly1305 data-encoding getrandom sha2 thiserror zeroize"),
    (
        "device-files",
        "domain",
        "aes cbc data-encoding encoding_rs hmac pbkdf2 prost quick-xml serde_json sha1 sha2 strum thiserror url zeroize zip",
    ),
    ("taler-protocol", "application domain", ""),
    ("storage-contract", "domain ports", "data-encoding tokio"),
    ("storage-memory", "domain ports", "async-trait"),
    ("storage-sql", "domain ports", "deadpool diesel diesel_migrations futures-util metrics tokio"),
    (
        "storage-sqlite",
        "domain ports storage-sql",
        "async-trait deadpool diesel diesel_migrations libsqlite3-sys percent-encoding tempfile \
         thiserror tokio",
    ),
    (
        "storage-postgres",
        "domain ports storage-sql",
        "async-trait deadpool diesel diesel-async diesel_migrations futures-util percent-encoding rustls \
         rustls-native-certs thiserror tokio tokio-postgres tokio-postgres-rustls tracing",
    ),
    (
        "transport-kit",
        "application domain taler-protocol",
        "fastrand metrics rustls socket2 thiserror tokio tracing",
    ),
    (
        "transport-http",
        "application domain taler-protocol transport-kit",
        "actix-http actix-service actix-web data-encoding flate2 futures-util memchr \
         metrics percent-encoding rustls serde serde_json socket2 thiserror tokio tokio-rustls tracing utoipa \
         zeroize",
    ),
    ("web-page", "", "data-encoding sha2"),
    (
        "server",
        "application device-files domain ports sealing storage-postgres storage-sqlite transport-http \
         transport-kit",
        "anyhow clap clap_complete clap_mangen config csv getrandom humantime listenfd metrics \
         metrics-exporter-prometheus nix percent-encoding qrcode rpassword sd-notify serde \
         serde_json tempfile thiserror tokio toml tracing tracing-appender tracing-subscriber zeroize",
    ),
    (
        "bench",
        "test-tools throwaway-postgres",
        "actix-web anyhow clap diesel libsqlite3-sys serde serde_json tempfile",
    ),
    ("test-tools", "", "anyhow nix"),
    ("throwaway-postgres", "test-tools", "anyhow nix postgres tempfile"),
    ("xtask", "test-tools throwaway-postgres", "anyhow clap"),
    (
        "tests",
        "taler-protocol test-tools throwaway-postgres",
        "clap data-encoding diesel fastrand flate2 insta libsqlite3-sys nix postgres proc-macro2 rcgen \
         rustls serde_json socket2 tempfile ureq",
    ),
];

/// The additional dependencies of the tests of each crate: crates of the workspace, then external
/// ones.
const DEV_DEPENDENCIES: &[(&str, &str, &str)] = &[
    ("domain", "", "proptest totp-lite"),
    ("application", "sealing storage-memory", "futures-util tokio"),
    ("sealing", "", "proptest"),
    ("device-files", "", "proptest"),
    ("storage-contract", "storage-memory", ""),
    ("storage-memory", "storage-contract", ""),
    ("storage-sql", "", "tokio"),
    ("storage-sqlite", "storage-contract", "tokio"),
    ("storage-postgres", "storage-contract throwaway-postgres", "postgres rcgen tempfile tokio"),
    ("taler-protocol", "", "getrandom tokio"),
    ("transport-kit", "ports sealing storage-memory", "tempfile tokio"),
    ("transport-http", "ports sealing storage-memory", "proptest"),
    ("server", "", "async-trait rqrr tokio"),
    ("bench", "domain ports sealing transport-http", "criterion"),
];

const PREFIX: &str = "merchant-otp-";

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The dependencies of each crate, by its name: those inside the workspace, and those outside.
type Edges = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

/// The dependencies of one kind: `None` for normal and build, `Some("dev")` for tests.
fn edges(kind: Option<&str>) -> Edges {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap().strip_prefix(PREFIX).unwrap();
            let dependencies = package["dependencies"].as_array().unwrap();
            let names = dependencies
                .iter()
                .filter(|dependency| (dependency["kind"] == "dev") == (kind == Some("dev")))
                .map(|dependency| dependency["name"].as_str().unwrap());
            let (mut inside, mut outside) = (BTreeSet::new(), BTreeSet::new());
            for name in names {
                match name.strip_prefix(PREFIX) {
                    Some(name) => inside.insert(name.to_owned()),
                    None => outside.insert(name.to_owned()),
                };
            }
            (name.to_owned(), (inside, outside))
        })
        .collect()
}

fn set(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn compare(found: &Edges, allowed: &[(&str, &str, &str)]) {
    let allowed: Edges = allowed
        .iter()
        .map(|(name, inside, outside)| ((*name).to_owned(), (set(inside), set(outside))))
        .collect();
    for (name, found) in found {
        assert_eq!(Some(found), allowed.get(name), "the dependencies of {name}");
    }
    assert_eq!(found.len(), allowed.len(), "the table has a crate that is not there");
}

#[test]
fn the_dependencies_of_each_crate_are_those_of_the_table() {
    compare(&edges(None), DEPENDENCIES);
}

#[test]
fn the_dependencies_of_the_tests_are_those_of_the_table() {
    let mut found = edges(Some("dev"));
    found.retain(|_, (inside, outside)| !inside.is_empty() || !outside.is_empty());
    compare(&found, DEV_DEPENDENCIES);
}
