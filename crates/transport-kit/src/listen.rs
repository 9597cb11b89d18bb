//! Where a transport listens.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// Where a server listens.
///
/// ```
/// use merchant_otp_transport_kit::Listen;
///
/// assert_eq!("unix:/run/otp.sock".parse(), Ok(Listen::Unix("/run/otp.sock".into())));
/// assert_eq!("[::1]:9966".parse(), Ok(Listen::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], 9966).into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and port. Port 0 selects any free port.
    Tcp(SocketAddr),
    /// A Unix socket at a path.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenError),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| ListenError),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Checks that nothing is sent unencrypted over a network: an address that other machines reach
    /// must be encrypted, by the transport itself or by a proxy.
    ///
    /// # Errors
    ///
    /// [`ExposedError`] if it is not encrypted.
    pub fn check_exposure(
        &self,
        is_encrypted: bool,
        is_behind_proxy: bool,
    ) -> Result<(), ExposedError> {
        match self {
            Self::Tcp(address)
                if !is_encrypted && !is_behind_proxy && !address.ip().is_loopback() =>
            {
                Err(ExposedError)
            }
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }

    /// Whether a socket that listens at `other` matches this address.
    pub(crate) fn admits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(wanted), Self::Tcp(found)) => {
                wanted.ip() == found.ip() && (wanted.port() == 0 || wanted.port() == found.port())
            }
            (wanted, found) => wanted == found,
        }
    }
}

/// A listening socket, bound by the transport or inherited from the parent process.
#[derive(Debug)]
pub enum ListeningSocket {
    /// On an address and port.
    Tcp(TcpListener),
    /// At a path. Dropping the socket does not remove its file.
    Unix(UnixListener),
}

impl ListeningSocket {
    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => Ok(Listen::Tcp(listener.local_addr()?)),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or_else(|| Path::new(""));
                Ok(Listen::Unix(path.to_owned()))
            }
        }
    }
}

/// An address that other machines reach, without encryption.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the address is reachable from other machines, and keys and tokens would not be encrypted")]
pub struct ExposedError;

/// A text that is not a valid [`Listen`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is neither ADDRESS:PORT, such as 127.0.0.1:9966 or [::1]:9966, nor unix:PATH")]
pub struct ListenError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_other_machines_reach_require_encryption() {
        let listen = |text: &str| text.parse::<Listen>().unwrap();
        for exposed in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            assert_eq!(listen(exposed).check_exposure(false, false), Err(ExposedError));
            assert_eq!(listen(exposed).check_exposure(true, false), Ok(()));
            assert_eq!(listen(exposed).check_exposure(false, true), Ok(()));
        }
        for private in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "unix:/run/s"] {
            assert_eq!(listen(private).check_exposure(false, false), Ok(()));
        }
    }

    #[test]
    fn addresses_and_sockets_round_trip_through_text() {
        for text in ["127.0.0.1:9966", "[::1]:0", "unix:/run/merchant-otp.sock"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        let listen = |text: &str| text.parse::<Listen>().unwrap();
        for (wanted, found, admitted) in [
            ("127.0.0.1:9966", "127.0.0.1:9966", true),
            ("127.0.0.1:0", "127.0.0.1:9966", true),
            ("127.0.0.1:9966", "127.0.0.1:9967", false),
            ("127.0.0.1:0", "0.0.0.0:9966", false),
            ("unix:/run/a", "unix:/run/a", true),
            ("unix:/run/a", "unix:/run/b", false),
            ("unix:/run/a", "127.0.0.1:9966", false),
        ] {
            assert_eq!(listen(wanted).admits(&listen(found)), admitted, "{wanted} {found}");
        }
        for text in ["", "9966", "localhost:9966", "127.0.0.1", "127.0.0.1:65536", "unix:"] {
            assert_eq!(text.parse::<Listen>(), Err(ListenError), "{text}");
        }
    }
}
