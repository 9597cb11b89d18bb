//! Output of the first start.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use merchant_otp_application::operator::Operator;
use merchant_otp_application::{IssuedAccessToken, NewAccessToken, Service};
use merchant_otp_domain::{Expiration, InstanceId, OtpKey};
use merchant_otp_transport_kit::Listen;
use zeroize::Zeroizing;

use crate::text::rfc_3339;

/// Creates an access token for a new embedded database, and prints it once with an example of its
/// use.
///
/// Unless `print_token` is set, only to a terminal: any other output may be a log, where no secret
/// may be written. Then no token is created, and the command that creates one is printed.
pub(crate) async fn print_first_start_help(
    service: &Service,
    listen: &Listen,
    is_tls: bool,
    print_token: bool,
) -> anyhow::Result<()> {
    if !print_token && !io::stdout().is_terminal() {
        writeln!(
            io::stdout(),
            "Created the instance `admin`. To create an access token, run \
             `merchant-otp token add --instance admin --scope all`."
        )?;
        return Ok(());
    }
    let log_in = Operator::of(service).log_in(&InstanceId::admin()).await?;
    let new = NewAccessToken::for_everything();
    let new = NewAccessToken { lifetime: Some(Operator::token_lifetime(new.scope)), ..new };
    let issued = service.issue_access_token(&log_in, new).await?;
    show(&issued, &curl_target(listen, is_tls)).with_context(|| {
        format!(
            "the access token {0} was created but could not be shown; revoke it with `merchant-otp \
             token revoke --instance admin {0}`, and create another with `merchant-otp token add`",
            issued.serial
        )
    })
}

fn show(issued: &IssuedAccessToken, target: &str) -> anyhow::Result<()> {
    // A random key, because a fixed example key would be public.
    let mut bytes = Zeroizing::new(vec![0; 20]);
    getrandom::fill(&mut bytes).context("cannot get random bytes")?;
    let key = OtpKey::from_bytes(bytes.to_vec())?;
    let (token, key) = (issued.token.expose(), key.to_base32());
    let until = match issued.expiration {
        Expiration::Never => String::new(),
        Expiration::At(end) => format!(" and valid until {}", rfc_3339(end)),
    };
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "Created the instance `admin`. Its access token is shown only once{until}; keep it:\n\n    {}\n\n\
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
