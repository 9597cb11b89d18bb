//! The dependency rules of docs/architecture.md: between crates, between the modules of a crate,
//! and what a transport must not name.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod circles;
mod dependencies;
mod modules;
mod operator;

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of each crate in `crates/`, by its name.
fn crates() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut crates: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    crates.sort();
    crates
}
