//! Building blocks of network transports, independent of a framework.
//!
//! A transport binds its address with [`Listener::bind`], encrypts with a [`Certificate`], keeps to
//! [`ConnectionPermits`], [`AddressPermits`] and the [`Limits`] of the service, and records each
//! request as an [`AnsweredRequest`]. None of this depends on a wire format.

mod address_permits;
mod certificate;
mod client_address;
mod connection_permits;
mod heartbeats;
mod limits;
mod listen;
mod listener;
mod request_id;
mod request_log;
mod unix_socket;

pub use address_permits::{AddressPermit, AddressPermits};
pub use certificate::{Certificate, TlsError, TlsFiles};
pub use client_address::{ProxyHeader, ProxyHeaderError};
pub use connection_permits::{ConnectionPermit, ConnectionPermits};
pub use heartbeats::Heartbeats;
pub use limits::Limits;
pub use listen::{ExposedError, Listen, ListenError, ListeningSocket};
pub use listener::{BindError, Listener};
pub use request_id::RequestId;
pub use request_log::{AnsweredRequest, Causes, Importance, InFlight, loggable_instance};
pub use unix_socket::UnixSocket;

/// The guide for authors of transports. The skeleton in it must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/adding-a-transport.md")]
struct AddingATransport;
