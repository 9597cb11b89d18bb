//! Temporary PostgreSQL clusters and databases for tests.
//!
//! `cargo xtask test` starts one [`Cluster`] and passes its URL to the tests in [`ENVIRONMENT`];
//! each test creates its own [`Database`] in it. A test that needs special settings, or that breaks
//! its server, starts its own cluster.
#![expect(clippy::disallowed_methods, reason = "for development only")]

mod binaries;
mod cluster;
mod database;
mod pooler;

pub use binaries::program;
pub use cluster::Cluster;
pub use database::{Database, ENVIRONMENT};
pub use pooler::Pooler;
