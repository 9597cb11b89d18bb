//! What the SQL storage adapters share.
//!
//! * [`Door`]: the one way to the database. A unit of work is a closure over a connection; it runs on
//!   a thread that may block, to its end, whatever becomes of the caller.
//! * [`Lane`]: a queue before the door, which does at a time what many ask for; [`batches`] says what that
//!   is.
//! * [`mod@units_of_work`]: what the stores do with a connection; [`units_of_work!`] writes its statements
//!   once for every backend of diesel, over the tables of [`schema`] and the rows of [`rows`].
//! * [`stores()`]: the ports, over the two.
//! * [`Failure`]: what a unit of work was doing when diesel failed, from which the door makes the
//!   [`StoreError`](merchant_otp_ports::StoreError).
//!
//! How to connect, what counts as contention and how the schema is migrated is the adapter's own.

pub mod audit_rows;
pub mod batches;
mod door;
mod failure;
mod lane;
mod lanes;
mod migration;
pub mod rows;
pub mod schema;
mod statements;
mod stores;
mod token_cache;
pub mod units_of_work;
mod watchdog;

pub use door::{Connector, Door, Interrupter, store_error};
pub use failure::Failure;
pub use lane::{Answers, Batch, Lane, Place};
pub use lanes::{Distinct, Lanes, distinct_devices, distinct_tokens};
pub use migration::{
    MIGRATIONS_TABLE, MigrationError, apply_migrations, migration_versions, pending_migrations,
};
pub use stores::stores;
// What `units_of_work!` names, so that an adapter need not depend on it.
#[doc(hidden)]
pub use merchant_otp_domain as domain;
#[doc(hidden)]
pub use merchant_otp_ports as ports;
