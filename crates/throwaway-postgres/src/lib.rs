//! Temporary PostgreSQL clusters and databases for tests.
//!
//! `cargo xtask test` starts one [`Cluster`] and passes its URL to the tests in [`ENVIRONMENT`];
//! each test creates its own [`Database`] in it. Without the variable, a process starts a cluster
//! for its tests. A test that needs special settings, or that breaks
//! its server, starts its own cluster.
#![expect(clippy::disallowed_methods, reason = "for development only")]

mod binaries;
mod cluster;
mod database;
mod pooler;
mod shared;

pub use binaries::program;
pub use cluster::Cluster;
pub use database::Database;
pub use pooler::Pooler;
pub use shared::ENVIRONMENT;
