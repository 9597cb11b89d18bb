//! The dependency rules of docs/architecture.md: between crates, between the modules of a crate,
//! and the names that a transport must not use.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod cycles;
mod dependencies;
mod modules;
mod operator;

use std::fs;
use std::path::{Path, PathBuf};

/// The name and the folder of each crate in `crates/`.
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
