//! Building blocks of the SQL storage adapters.
//!
//! An adapter consists of four parts, three of which are in this crate:
//!
//! * **Executor** (implemented by each adapter): a connection pool that executes units of work. A
//!   unit of work runs to completion even if its caller is dropped.
//! * [`Batcher`]: group commit and request coalescing for the three operations that many clients
//!   request concurrently: registering a device, finding a device and finding an access token.
//! * **Rows**: the tables ([`schema`]) and their rows ([`rows`], [`audit_rows`]), with conversions
//!   between rows and domain values.
//! * **Store error**: [`Failure`] records what a unit of work was doing when diesel failed;
//!   [`store_error`] maps it to a [`StoreError`](merchant_otp_ports::StoreError).
//!
//! In addition, [`pool`] acquires connections with limits on waiting, and [`migration`] runs
//! migrations.
//!
//! Each adapter implements connecting, the recognition of contention errors, transactions of
//! several statements, and the execution of batches.
//!
//! The plain queries are in `stores/` next to `src/`, one module per port. diesel types statements
//! by backend, so each adapter compiles these modules itself (`#[path]`) and implements them on its
//! `SqlStores`. That type provides an executor for reading and one for writing, `change` for a
//! statement with an audit event, and the units of work that differ between databases.

pub mod audit_rows;
pub mod basis;
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
