//! What the SQL storage adapters share.
//!
//! An adapter consists of four concepts; three of them are here:
//!
//! * **Executor** (the adapter's own): a connection pool, and how a unit of work runs on one of its
//!   connections, to its end, whatever becomes of the caller.
//! * [`Batcher`]: group commit and request coalescing for the three operations that many clients
//!   ask for at the same time: registering a device, finding a device, finding an access token.
//! * **Rows**: the tables ([`schema`]) and their rows ([`rows`], [`audit_rows`]), and the
//!   conversion of rows from and to values of the domain.
//! * **Store error**: [`Failure`] says what a unit of work was doing when diesel failed;
//!   [`store_error`] makes a [`StoreError`](merchant_otp_ports::StoreError) of it.
//!
//! Besides, [`pool`] says how long a unit of work waits for a connection, and [`migration`] runs
//! migrations.
//!
//! How to connect, which errors mean contention, transactions of several statements, and what the
//! batches execute are the adapter's own.
//!
//! The plain queries are in `stores/` beside `src/`: one module per port. diesel's statements are
//! typed by their backend, so the modules are compiled into each adapter (`#[path]`), over its
//! `SqlStores`, which has an executor for reading and one for writing, `change` for a statement
//! with an audit event, and the units of work that differ between databases.

pub mod audit_rows;
mod batcher;
mod deduplicated;
mod error;
pub mod migration;
pub mod pool;
pub mod rows;
pub mod schema;

pub use batcher::{Acquire, BatchResults, Batcher};
pub use deduplicated::Deduplicated;
pub use error::{Failure, store_error, task_error};
