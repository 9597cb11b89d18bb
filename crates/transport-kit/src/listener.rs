//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use crate::unix_socket::UnixSocket;
use crate::{Listen, ListeningSocket};

/// The maximum number of connections that wait in the operating system to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket and its address.
///
/// ```
/// use merchant_otp_transport_kit::{Listen, Listener};
///
/// let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
/// let Listen::Tcp(address) = listener.address else { unreachable!() };
/// assert_ne!(address.port(), 0);
/// ```
#[derive(Debug)]
pub struct Listener {
    /// The socket, for the framework of the transport.
    pub socket: ListeningSocket,
    /// The address, with the assigned port if port 0 was requested.
    pub address: Listen,
    /// Removes the file of a Unix socket that was created here. Hold it for as long as the
    /// transport runs.
    pub guard: Option<UnixSocket>,
}

impl Listener {
    /// Binds an address, or uses an inherited socket that listens on it.
    ///
    /// # Errors
    ///
    /// [`BindError::Address`] if the address cannot be bound: it is in use, does not belong to this
    /// machine, or is not permitted. [`BindError::OtherSocket`] if the socket listens on another
    /// address.
    pub fn bind(listen: Listen, inherited: Option<ListeningSocket>) -> Result<Self, BindError> {
        let bind_error = |source| BindError::Address { listen: listen.clone(), source };
        if let Some(socket) = inherited {
            let address = socket.address().map_err(bind_error)?;
            if !listen.admits(&address) {
                return Err(BindError::OtherSocket { listen, found: address });
            }
            return Ok(Self { socket, address, guard: None });
        }
        match &listen {
            Listen::Tcp(address) => {
                let listener = listen_on(*address).map_err(bind_error)?;
                let address = Listen::Tcp(listener.local_addr().map_err(bind_error)?);
                Ok(Self { socket: ListeningSocket::Tcp(listener), address, guard: None })
            }
            Listen::Unix(path) => {
                let (guard, listener) = UnixSocket::bind(path).map_err(bind_error)?;
                let socket = ListeningSocket::Unix(listener);
                Ok(Self { socket, address: listen, guard: Some(guard) })
            }
        }
    }
}

/// Listens on an address, even if a process that used it has just ended.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// An error of [`Listener::bind`].
#[derive(Debug, Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error("cannot listen on {listen}")]
    Address {
        /// The address.
        listen: Listen,
        /// The cause.
        source: io::Error,
    },
    /// The inherited socket listens on another address.
    #[error("the inherited socket listens on {found}, not on {listen}")]
    OtherSocket {
        /// The expected address.
        listen: Listen,
        /// The actual address.
        found: Listen,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reports_the_assigned_port() {
        let any: Listen = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(any.clone(), None).unwrap();
        let Listen::Tcp(address) = &listener.address else { panic!("{}", listener.address) };
        assert_ne!(address.port(), 0);
        let error = Listener::bind(listener.address.clone(), None).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {}", listener.address));

        let again = Listener::bind(any, Some(listener.socket)).unwrap();
        assert_eq!(again.address, listener.address);
        let other: Listen = "127.0.0.2:0".parse().unwrap();
        let error = Listener::bind(other, Some(again.socket)).unwrap_err().to_string();
        assert!(error.contains("not on 127.0.0.2:0"), "{error}");
    }

    #[test]
    fn dropping_the_guard_removes_the_socket_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otp.sock");
        let listener = Listener::bind(Listen::Unix(path.clone()), None).unwrap();
        assert!(path.exists());
        assert!(Listener::bind(Listen::Unix(path.clone()), None).is_err());
        drop(listener);
        assert!(!path.exists());
    }
}
