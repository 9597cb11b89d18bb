//! PostgreSQL for tests, thrown away afterwards.
//!
//! `cargo xtask test` starts one [`Cluster`] and passes its URL to the tests in [`ENVIRONMENT`];
//! each test makes a [`Database`] of its own in it. A test that needs a server with special
//! settings, or one that it may break, starts its own cluster.
#![expect(clippy::disallowed_methods, reason = "for development only")]

mod binaries;
mod cluster;
mod database;
mod pooler;

pub use binaries::program;
pub use cluster::Cluster;
pub use database::{Database, ENVIRONMENT};
pub use pooler::Pooler;
