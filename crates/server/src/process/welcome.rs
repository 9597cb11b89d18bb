//! Output of the first start.

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

/// Creates an access token for a new embedded database, and prints it once with an example of its
/// use.
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
            "Created the instance `admin`. To create an access token, run \
             `merchant-otp token add --instance admin --scope all`."
        )?;
        return Ok(());
    }
    let log_in = Operator::of(service).log_in(&InstanceId::admin()).await?;
    let issued = service.issue_access_token(&log_in, NewAccessToken::for_everything()).await?;
    show(&issued.token, &curl_target(listen, is_tls)).with_context(|| {
        format!(
            "the access token {0} was created but could not be shown; revoke it with `merchant-otp \
             token revoke --instance admin {0}`, and create another with `merchant-otp token add`",
            issued.serial
        )
    })
}

/// Returns whether an output is the journal of systemd, where no secret may be written.
///
/// `JOURNAL_STREAM` contains the device and inode of the journal (systemd.exec(5)). They are
/// compared with those of the output, because processes with another output inherit the variable.
fn is_journal(output: impl AsFd, journal_stream: Option<&OsStr>) -> bool {
    let metadata =
        output.as_fd().try_clone_to_owned().map(File::from).and_then(|file| file.metadata());
    let identity = metadata.map(|metadata| format!("{}:{}", metadata.dev(), metadata.ino()));
    identity.is_ok_and(|identity| journal_stream == Some(OsStr::new(&identity)))
}

fn show(token: &AccessToken, target: &str) -> anyhow::Result<()> {
    // A random key, because a fixed example key would be public.
    let mut bytes = Zeroizing::new(vec![0; 20]);
    getrandom::fill(&mut bytes).context("cannot get random bytes")?;
    let key = OtpKey::from_bytes(bytes.to_vec())?;
    let (token, key) = (token.expose(), key.to_base32());
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "Created the instance `admin`. Its access token is shown only once; keep it:\n\n    {}\n\n\
         Register your first device (status 204 means success):\n\n    \
         curl -i -H 'Authorization: Bearer {}' -d '{{\"otp_device_id\": \"till-1\", \
         \"otp_device_description\": \"Till 1\", \"otp_key\": \"{}\", \
         \"otp_algorithm\": \"TOTP_WITHOUT_PRICE\"}}' {target}/private/otp-devices\n",
        *token, *token, *key,
    )?;
    Ok(output.flush()?)
}

/// Returns the curl options and the base URL that reach the server.
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
