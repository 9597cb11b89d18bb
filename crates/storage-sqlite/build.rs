//! Rebuilds the crate when the folder of migrations changes, so that new ones are compiled in.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/sqlite");
}
