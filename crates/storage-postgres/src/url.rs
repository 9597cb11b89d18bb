//! The URL of a PostgreSQL database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::tls::Verification;

/// How long connecting may take, unless the URL sets it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long sent data may remain unacknowledged, unless the URL sets it.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// TCP keepalive, unless the URL sets it: the idle time before the first probe, the interval
/// between probes, and the number of unanswered probes after which the connection is closed.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVES: u32 = 3;

/// The address of a database and the verification of its server. `Debug` shows neither.
#[derive(Clone)]
pub(crate) struct PostgresUrl {
    pub(crate) config: Config,
    pub(crate) verification: Verification,
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PostgresUrl([redacted])")
    }
}

/// The reason why a text is not a valid database URL. Does not quote the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PostgresUrlError {
    /// The URL does not have libpq's form.
    #[error("it is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE")]
    Malformed,
    /// This adapter does not support the `sslmode`, although libpq may.
    #[error("its sslmode is none of disable, prefer, require, verify-full")]
    SslMode,
    /// A root certificate was given without a mode that uses it, which would feign protection.
    #[error("its sslrootcert needs sslmode=verify-full")]
    UnusedRootCertificate,
}

impl PostgresUrl {
    /// Parses a URL. tokio-postgres supports all parameters except those of TLS verification.
    pub(crate) fn parse(url: &str) -> Result<Self, PostgresUrlError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut ssl_mode, mut root_certificate) = (None, None);
        let mut others = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => ssl_mode = Some(value),
                Some(("sslrootcert", value)) => root_certificate = Some(decoded(value)?),
                _ => others.push(parameter),
            }
        }
        let mut config = Config::from_str(&format!("{base}?{}", others.join("&")))
            .map_err(|_| PostgresUrlError::Malformed)?;

        let (mode, verification) = match (ssl_mode.unwrap_or("prefer"), root_certificate) {
            ("verify-full", Some(path)) => (SslMode::Require, Verification::RootCertificate(path)),
            ("verify-full", None) => (SslMode::Require, Verification::SystemRoots),
            ("disable" | "prefer" | "require", Some(_)) => {
                return Err(PostgresUrlError::UnusedRootCertificate);
            }
            ("disable", None) => (SslMode::Disable, Verification::None),
            ("prefer", None) => (SslMode::Prefer, Verification::None),
            ("require", None) => (SslMode::Require, Verification::None),
            (_, _) => return Err(PostgresUrlError::SslMode),
        };
        config.ssl_mode(mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if !others.iter().any(|parameter| parameter.starts_with("keepalives")) {
            config.keepalives_idle(KEEPALIVES_IDLE);
            config.keepalives_interval(KEEPALIVES_INTERVAL);
            config.keepalives_retries(KEEPALIVES);
        }
        if config.get_application_name().is_none() {
            config.application_name("merchant-otp");
        }
        Ok(Self { config, verification })
    }
}

fn decoded(value: &str) -> Result<PathBuf, PostgresUrlError> {
    let text = percent_decode_str(value).decode_utf8().map_err(|_| PostgresUrlError::Malformed)?;
    Ok(PathBuf::from(text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_gone_is_noticed_as_soon_as_the_url_says() {
        let retries = |parameters: &str| {
            let url = PostgresUrl::parse(&format!("postgres://h/d{parameters}")).unwrap();
            (url.config.get_keepalives_idle(), url.config.get_keepalives_retries())
        };
        assert_eq!(retries(""), (KEEPALIVES_IDLE, Some(KEEPALIVES)));
        let minute = Duration::from_mins(1);
        assert_eq!(retries("?keepalives_idle=60&keepalives_retries=5"), (minute, Some(5)));
        assert_eq!(retries("?keepalives_idle=60"), (minute, None));
    }

    #[test]
    fn the_modes_of_tls() {
        let parsed = |parameters: &str| PostgresUrl::parse(&format!("postgres://h/d{parameters}"));
        let certificate = Verification::RootCertificate(PathBuf::from("/etc/a b.pem"));
        for (parameters, mode, verification) in [
            ("", SslMode::Prefer, Verification::None),
            ("?sslmode=disable", SslMode::Disable, Verification::None),
            ("?sslmode=prefer", SslMode::Prefer, Verification::None),
            ("?sslmode=require&connect_timeout=1", SslMode::Require, Verification::None),
            ("?sslmode=verify-full", SslMode::Require, Verification::SystemRoots),
            ("?sslrootcert=/etc/a%20b.pem&sslmode=verify-full", SslMode::Require, certificate),
        ] {
            let url = parsed(parameters).unwrap();
            assert_eq!(url.config.get_ssl_mode(), mode, "{parameters}");
            assert_eq!(url.verification, verification, "{parameters}");
        }
        for (parameters, error) in [
            ("?sslmode=verify-ca", PostgresUrlError::SslMode),
            ("?sslmode=", PostgresUrlError::SslMode),
            ("?sslrootcert=/a", PostgresUrlError::UnusedRootCertificate),
            ("?nonsense=1", PostgresUrlError::Malformed),
        ] {
            assert_eq!(parsed(parameters).unwrap_err(), error, "{parameters}");
        }
    }

    #[test]
    fn several_hosts_and_sockets_are_understood() {
        let url = "postgres://u:p@one:5433,two:5434/d?target_session_attrs=read-write";
        let url = PostgresUrl::parse(url).unwrap();
        assert_eq!(url.config.get_ports(), [5433, 5434]);
        let url = PostgresUrl::parse("postgresql:///d?host=/run/postgresql&user=u").unwrap();
        assert_eq!(url.config.get_user(), Some("u"));
        assert_eq!(url.config.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
    }

    #[test]
    fn neither_debug_nor_errors_tell_the_url() {
        let url = PostgresUrl::parse("postgres://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{url:?}"), "PostgresUrl([redacted])");
        let error = PostgresUrl::parse("postgres://u:hunter2@h:port/d").unwrap_err();
        assert_eq!(error, PostgresUrlError::Malformed);
        assert!(!error.to_string().contains("hunter2"));
    }
}
