//! `healthcheck`: ask a running server whether it is ready.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use merchant_otp_transport_kit::Listen;

use crate::settings::Settings;

/// How long each step may take.
const TIMEOUT: Duration = Duration::from_secs(5);

const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the service of the settings whether it is ready.
pub(crate) fn healthcheck(settings: &Settings) -> anyhow::Result<()> {
    let http = settings.http()?;
    ensure!(http.tls.is_none(), "it does not speak TLS; ask for /readyz with curl");
    let answer = match http.listen {
        Listen::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(address), TIMEOUT);
            let stream = stream.context("the service does not answer")?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            ask(stream)?
        }
        Listen::Unix(path) => {
            let stream = UnixStream::connect(path).context("the service does not answer")?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            ask(stream)?
        }
    };
    if answer.starts_with("HTTP/1.1 204 ") {
        return Ok(());
    }
    bail!("not ready: {}", answer.lines().next().unwrap_or("no answer"))
}

fn ask(mut stream: impl Read + Write) -> anyhow::Result<String> {
    const MAX_BYTES: u64 = 4096;
    stream.write_all(REQUEST).context("the service does not answer")?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).context("the service does not answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a server that listens on an address is reached from the same machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
