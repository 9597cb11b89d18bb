//! Names the folder of migrations: without it, a new migration is not compiled in.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/postgres");
}
