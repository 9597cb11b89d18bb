//! `healthcheck`: check whether a running server is ready.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use merchant_otp_transport_kit::Listen;

use crate::settings::Settings;

/// The timeout of each step.
const TIMEOUT: Duration = Duration::from_secs(5);

const NO_RESPONSE: &str = "the server at http.listen does not respond";

const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Checks whether the server at the configured address is ready.
pub(crate) fn healthcheck(settings: &Settings) -> anyhow::Result<()> {
    let http = settings.http()?;
    ensure!(
        http.tls.is_none(),
        "`healthcheck` does not support http.tls; request /readyz with curl"
    );
    let answer = match http.listen {
        Listen::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(address), TIMEOUT);
            let stream = stream.context(NO_RESPONSE)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            ask(stream)?
        }
        Listen::Unix(path) => {
            let stream = UnixStream::connect(path).context(NO_RESPONSE)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            ask(stream)?
        }
    };
    if answer.starts_with("HTTP/1.1 204 ") {
        return Ok(());
    }
    bail!("the server is not ready: {}", answer.lines().next().unwrap_or("empty response"))
}

fn ask(mut stream: impl Read + Write) -> anyhow::Result<String> {
    const MAX_BYTES: u64 = 4096;
    stream.write_all(REQUEST).context(NO_RESPONSE)?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).context(NO_RESPONSE)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Returns the address at which a local client reaches a server that listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
