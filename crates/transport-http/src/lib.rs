//! The HTTP transport: the endpoints of the GNU Taler merchant protocol, over actix-web.
//!
//! A transport is two calls: [`bind`] takes an address, [`Bound::run`] answers requests until a
//! future of the caller's is done. It reads no environment, handles no signals and sets up no log.
//!
//! Everything that HTTP and JSON say is said here and nowhere else; what is done about it is the
//! application's. What any transport needs is in `merchant-otp-transport-kit`, the codes of errors
//! in `merchant-otp-taler-protocol`.

mod endpoints;
mod error;
mod extract;
#[cfg(any(fuzzing, feature = "benchmarks"))]
#[doc(hidden)]
pub mod internals;
mod listener;
mod middleware;
mod openapi;
mod server;
mod state;

pub use endpoints::config::wire::CurrencySpecification;
pub use openapi::openapi;
pub use server::{BindError, Bound, HttpSettings, bind};
