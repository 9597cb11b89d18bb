//! The HTTP transport: the endpoints of the GNU Taler merchant protocol, over actix-web.
//!
//! A transport is two calls: [`bind`] takes an address, [`Bound::run`] answers requests until a
//! future of the caller's is done. It reads no environment, handles no signals and sets up no log.
//!
//! Everything that HTTP and JSON say is said here and nowhere else; what is done about it is the
//! application's. `error.rs` holds the one mapping of errors to a status and a code of Taler.

mod access_log;
mod access_tokens;
mod body;
mod client_address;
mod compression;
mod connection;
mod cors;
mod credentials;
mod deadline;
mod error;
#[cfg(any(fuzzing, feature = "benchmarks"))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod instance;
mod instances;
mod json_object;
mod listen;
mod openapi;
mod otp_devices;
mod per_worker;
mod query;
mod request_id;
mod routes;
mod security_headers;
mod server;
mod taler_error_code;
mod time;
mod tls;
mod unix_socket;
mod unread_body;
mod version;

pub use listen::{Listen, ListenError, ListeningSocket};
pub use openapi::openapi;
pub use server::{BindError, Bound, HttpSettings, bind};
pub use tls::{Certificate, TlsError, TlsFiles};
pub use version::CurrencySpecification;
