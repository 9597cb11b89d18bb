//! What the first start prints.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use merchant_otp_application::operator::Operator;
use merchant_otp_application::{NewAccessToken, Service};
use merchant_otp_domain::{AccessToken, InstanceId, OtpKey};
use merchant_otp_transport_kit::Listen;
use zeroize::Zeroizing;

/// Makes an access token for a new embedded database and shows it, once, and how to use it.
pub(crate) async fn print_first_start_help(
    service: &Service,
    listen: &Listen,
    is_tls: bool,
) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "it is of systemd, and no setting")]
    let journal_stream = env::var_os("JOURNAL_STREAM");
    if is_journal(io::stdout(), journal_stream.as_deref()) {
        writeln!(
            io::stdout(),
            "Made the instance `admin`. For an access token, run \
             `merchant-otp token add --instance admin --scope all`."
        )?;
        return Ok(());
    }
    let log_in = Operator::of(service).log_in(&InstanceId::admin()).await?;
    let issued = service.issue_access_token(&log_in, NewAccessToken::for_everything()).await?;
    show(&issued.token, &curl_target(listen, is_tls)).with_context(|| {
        format!(
            "the access token {} was made and could not be shown; revoke it and make another: \
             `merchant-otp token --help`",
            issued.serial
        )
    })
}

/// Whether an output is the journal of systemd: a log, where no secret belongs.
///
/// `JOURNAL_STREAM` names the journal's device and inode, and is inherited by processes whose
/// output is something else (systemd.exec(5)).
fn is_journal(output: impl AsFd, journal_stream: Option<&OsStr>) -> bool {
    let metadata =
        output.as_fd().try_clone_to_owned().map(File::from).and_then(|file| file.metadata());
    let identity = metadata.map(|metadata| format!("{}:{}", metadata.dev(), metadata.ino()));
    identity.is_ok_and(|identity| journal_stream == Some(OsStr::new(&identity)))
}

fn show(token: &AccessToken, target: &str) -> anyhow::Result<()> {
    // A random key: one from an example would be public.
    let mut bytes = Zeroizing::new(vec![0; 20]);
    getrandom::fill(&mut bytes).context("no random bits")?;
    let key = OtpKey::from_bytes(bytes.to_vec())?;
    let (token, key) = (token.expose(), key.to_base32());
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "This is the first start: the instance `admin` was made, and an access token for it. The\n\
         token is shown only now; keep it:\n\n    {}\n\n\
         Register a first device (204 means that it is stored):\n\n    \
         curl -i -H 'Authorization: Bearer {}' -d '{{\"otp_device_id\": \"till-1\", \
         \"otp_device_description\": \"Till 1\", \"otp_key\": \"{}\", \
         \"otp_algorithm\": \"TOTP_WITHOUT_PRICE\"}}' {target}/private/otp-devices\n",
        *token, *token, *key,
    )?;
    Ok(output.flush()?)
}

/// Where curl finds the server: its options and the base of the URL.
fn curl_target(listen: &Listen, is_tls: bool) -> String {
    match listen {
        Listen::Tcp(address) => {
            let ip = match address.ip() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            let scheme = if is_tls { "https" } else { "http" };
            format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
        }
        Listen::Unix(path) => format!("--unix-socket '{}' http://localhost", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_finds_the_server() {
        for (listen, target) in [
            ("127.0.0.1:9966", "http://127.0.0.1:9966"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("192.0.2.1:80", "http://192.0.2.1:80"),
            ("unix:/run/a b.sock", "--unix-socket '/run/a b.sock' http://localhost"),
        ] {
            assert_eq!(curl_target(&listen.parse().unwrap(), false), target);
        }
        let listen = "127.0.0.1:443".parse().unwrap();
        assert_eq!(curl_target(&listen, true), "https://127.0.0.1:443");
    }
}
