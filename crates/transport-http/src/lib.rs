//! The HTTP transport: the endpoints of the GNU Taler merchant protocol, over actix-web.
//!
//! A transport consists of two calls: [`bind`] binds an address, and [`Bound::run`] serves requests
//! until a future of the caller completes. It reads no environment variables, handles no signals
//! and sets up no logging.
//!
//! Everything specific to HTTP and JSON is in this crate; the behaviour is in the application. What
//! all transports need is in `merchant-otp-transport-kit`, and the error codes are in
//! `merchant-otp-taler-protocol`.

mod endpoints;
mod error;
mod extract;
#[cfg(any(fuzzing, feature = "benchmarks"))]
#[doc(hidden)]
pub mod internals;
mod listener;
mod middleware;
mod monitoring;
mod openapi;
mod server;
mod state;

pub use endpoints::config::wire::CurrencySpecification;
pub use monitoring::{MonitoringSettings, bind_monitoring};
pub use openapi::openapi;
pub use server::{BindError, Bound, HttpSettings, bind};
