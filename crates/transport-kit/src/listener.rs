//! A socket that listens.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use crate::unix_socket::UnixSocket;
use crate::{Listen, ListeningSocket};

/// The most connections that the operating system keeps waiting to be accepted.
const BACKLOG: i32 = 1024;

/// A socket that listens, and where.
#[derive(Debug)]
pub struct Listener {
    /// The socket, for the framework of the transport.
    pub socket: ListeningSocket,
    /// Where it listens: the port that it got, if any was asked for.
    pub address: Listen,
    /// Removes the file of a Unix socket that was made here; hold it for as long as the transport
    /// runs.
    pub guard: Option<UnixSocket>,
}

impl Listener {
    /// Takes an address, or a socket that was handed over, if it listens there.
    ///
    /// # Errors
    ///
    /// If the address is not to be had: in use, not of this machine, or not allowed; or if the
    /// socket has another one.
    pub fn bind(listen: Listen, handed_over: Option<ListeningSocket>) -> Result<Self, BindError> {
        let in_vain = |source| BindError::Address { listen: listen.clone(), source };
        if let Some(socket) = handed_over {
            let address = socket.address().map_err(in_vain)?;
            if !listen.admits(&address) {
                return Err(BindError::OtherSocket { listen, found: address });
            }
            return Ok(Self { socket, address, guard: None });
        }
        match &listen {
            Listen::Tcp(address) => {
                let listener = listen_on(*address).map_err(in_vain)?;
                let address = Listen::Tcp(listener.local_addr().map_err(in_vain)?);
                Ok(Self { socket: ListeningSocket::Tcp(listener), address, guard: None })
            }
            Listen::Unix(path) => {
                let (guard, listener) = UnixSocket::bind(path).map_err(in_vain)?;
                let socket = ListeningSocket::Unix(listener);
                Ok(Self { socket, address: listen, guard: Some(guard) })
            }
        }
    }
}

/// Listens on an address that a former process may have listened on just now.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Why a transport has no address.
#[derive(Debug, Error)]
pub enum BindError {
    /// It did not get its address.
    #[error("cannot listen on {listen}")]
    Address {
        /// The address.
        listen: Listen,
        /// Why.
        source: io::Error,
    },
    /// The socket that was handed over listens somewhere else than it is to.
    #[error("the socket that was handed over listens on {found} and not on {listen}")]
    OtherSocket {
        /// Where it is to listen.
        listen: Listen,
        /// Where it does.
        found: Listen,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_has_the_port_that_it_got() {
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
        assert!(error.contains("and not on 127.0.0.2:0"), "{error}");
    }

    #[test]
    fn the_file_of_a_unix_socket_goes_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otp.sock");
        let listener = Listener::bind(Listen::Unix(path.clone()), None).unwrap();
        assert!(path.exists());
        assert!(Listener::bind(Listen::Unix(path.clone()), None).is_err());
        drop(listener);
        assert!(!path.exists());
    }
}
