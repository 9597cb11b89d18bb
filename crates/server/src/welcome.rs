use std::env;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use merchant_otp_domain::{AccessToken, OtpKey};
use merchant_otp_transport_http::Listen;
use zeroize::Zeroizing;

/// Shows the access token of a new embedded database, once, and how to use it.
pub(crate) fn print(token: &AccessToken, listen: &Listen) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    // Set by systemd where standard output is the journal: a log, where no secret belongs.
    if env::var_os("JOURNAL_STREAM").is_some() {
        writeln!(
            output,
            "Made the instance `admin`. For an access token, run \
             `merchant-otp token add --instance admin --scope all`."
        )?;
        return Ok(());
    }
    // A random key: one from an example would be known to everybody.
    let mut bytes = Zeroizing::new(vec![0; 20]);
    getrandom::fill(&mut bytes).context("no random bits")?;
    let key = OtpKey::from_bytes(bytes.to_vec())?;
    let (token, key, target) = (token.expose(), key.to_base32(), curl_target(listen));
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
fn curl_target(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => {
            let ip = match address.ip() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            format!("http://{}", SocketAddr::new(ip, address.port()))
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
            assert_eq!(curl_target(&listen.parse().unwrap()), target);
        }
    }
}
