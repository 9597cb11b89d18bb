//! Settings from the defaults, a file and the environment.

mod http;
mod integer;
mod limits;
mod security;

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use config::{Config, ConfigError, Environment, File, FileFormat};
use merchant_otp_transport_http::{CurrencySpecification, HttpSettings};
use merchant_otp_transport_kit::Limits as ServiceLimits;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use self::http::Http;
use self::integer::Bounded;
use self::limits::Limits;
pub(crate) use self::security::{MasterKeySource, Security};
use crate::storage_url::StorageUrl;

/// The default settings.
const DEFAULT: &str = include_str!("../../../config/default.toml");

/// The prefix of environment variables.
const PREFIX: &str = "MERCHANT_OTP";

/// The settings of the service; see docs/configuration.md.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    http: Http,
    limits: Limits,
    pub(crate) storage: Storage,
    pub(crate) security: Security,
    audit: Audit,
    metrics: Metrics,
    pub(crate) log: Log,
    currencies: Vec<CurrencySpecification>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storage {
    pub(crate) url: StorageUrl,
    /// Limited because each SQLite connection may occupy one of the runtime's 512 blocking threads.
    connections: Bounded<1, 400>,
    /// In milliseconds.
    token_cache: Bounded<0, 1000>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Audit {
    /// In days.
    retention: Bounded<0, 36_500>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Metrics {
    listen: Option<String>,
    allow_remote: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    filter: String,
}

impl Settings {
    /// Loads the defaults, then the file, then the environment; later sources override earlier
    /// ones.
    #[expect(clippy::disallowed_methods, reason = "the settings read the environment")]
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        Self::from_sources(file, variables(env::vars_os())?)
    }

    fn from_sources(
        file: Option<&Path>,
        variables: HashMap<String, String>,
    ) -> anyhow::Result<Self> {
        let mut sources = Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        if let Some(path) = file {
            let text = read_file(path).with_context(|| path.display().to_string())?;
            sources = sources.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let environment = Environment::with_prefix(PREFIX)
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables));
        let settings: Self = sources
            .add_source(environment)
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|error| without_values(&error))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        self.http()?;
        self.storage.url.scheme().context("storage.url")?;
        self.metrics_listen()?;
        self.log.filter()?;
        Ok(())
    }

    /// How long audit events are kept, in seconds; `None` means forever.
    pub(crate) fn audit_retention(&self) -> Option<u64> {
        match self.audit.retention.get() {
            0 => None,
            days => Some(days * 24 * 60 * 60),
        }
    }

    /// The address that serves metrics, if configured.
    pub(crate) fn metrics_listen(&self) -> anyhow::Result<Option<SocketAddr>> {
        let Metrics { listen: Some(listen), allow_remote } = &self.metrics else { return Ok(None) };
        let listen: SocketAddr = listen.parse().context("metrics.listen: must be ADDRESS:PORT")?;
        ensure!(
            *allow_remote
                || self.http.is_behind_proxy()
                || listen.ip().to_canonical().is_loopback(),
            "metrics.listen: {listen} can be reached from other machines, without TLS and \
             credentials; use 127.0.0.1, or set metrics.allow_remote = true on a trusted network"
        );
        Ok(Some(listen))
    }

    /// The number of HTTP workers; `None` means as many as the processors and the connections
    /// allow.
    pub(crate) fn http_workers(&self) -> Option<u16> {
        self.http.workers()
    }

    /// The limits that apply to every transport.
    pub(crate) fn limits(&self) -> ServiceLimits {
        (&self.limits).into()
    }

    /// The settings of the HTTP transport.
    pub(crate) fn http(&self) -> anyhow::Result<HttpSettings> {
        self.http.settings(self.limits(), &self.currencies)
    }
}

impl Log {
    /// The filter of log events.
    pub(crate) fn filter(&self) -> anyhow::Result<EnvFilter> {
        EnvFilter::builder().parse(&self.filter).context("log.filter")
    }
}

impl Storage {
    /// The maximum number of connections to the database.
    pub(crate) fn connections(&self) -> u16 {
        self.connections.get_as()
    }

    /// How long an access token is cached.
    pub(crate) fn token_cache(&self) -> Duration {
        Duration::from_millis(self.token_cache.get())
    }
}

/// Converts an error of `config`, without the invalid value: it may be the URL of the database.
fn without_values(error: &ConfigError) -> anyhow::Error {
    match error {
        ConfigError::At { error, key: Some(key), .. } => without_values(error).context(key.clone()),
        ConfigError::At { error, key: None, .. } => without_values(error),
        ConfigError::Type { expected, key: Some(key), .. } => {
            anyhow!("{key}: expected {expected}")
        }
        ConfigError::Type { expected, key: None, .. } => {
            anyhow!("a setting has the wrong type: expected {expected}")
        }
        // From serde: an unknown or missing field, or the message of a type of this program.
        // Serde's messages about a wrong type quote the value.
        ConfigError::Message(message) => match message.split_once(", expected ") {
            Some((_, expected)) if message.starts_with("invalid ") => {
                anyhow!("a setting has the wrong type: expected {expected}")
            }
            _ => anyhow!("{message}"),
        },
        ConfigError::NotFound(key) => anyhow!("{key}: the setting is missing"),
        _ => anyhow!("cannot read the settings"),
    }
}

/// Reads a settings file; reports the line of an error in its TOML.
///
/// Only the line's number: the full error quotes the line, which may contain a database password.
fn read_file(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)?;
    if let Err(error) = toml::from_str::<toml::Table>(&text) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        bail!("line {}: {}", before.matches('\n').count() + 1, error.message());
    }
    Ok(text)
}

/// Returns the environment variables that are settings.
///
/// Fails on a variable that looks like a setting but would be ignored. Other variables with the
/// prefix may belong to other programs: Kubernetes sets `MERCHANT_OTP_PORT` for a service named
/// `merchant-otp`.
fn variables(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> anyhow::Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else {
            continue;
        };
        let Some(rest) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_')) else {
            continue;
        };
        if rest.starts_with('_') {
            let value = value.into_string().map_err(|_| anyhow!("{name}: must be UTF-8"))?;
            variables.insert(name, value);
        } else if is_setting(rest)? {
            bail!("{name}: separate levels with two underscores, as in {PREFIX}__HTTP__LISTEN");
        }
    }
    Ok(variables)
}

/// Returns whether the name of a variable begins with the name of a section.
fn is_setting(name: &str) -> anyhow::Result<bool> {
    // The defaults contain every section: a missing one would be an error.
    let sections: toml::Table = toml::from_str(DEFAULT)?;
    let is_in = |section: &String| {
        let section = section.to_uppercase();
        name.strip_prefix(&section).is_some_and(|rest| rest.starts_with('_'))
    };
    Ok(sections.keys().any(is_in))
}

#[cfg(test)]
mod tests {
    use merchant_otp_transport_kit::Listen;

    use super::*;

    /// Loads settings from the text of a file and from environment variables.
    fn load(toml: &str, environment: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, toml).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::from_sources(Some(&path), variables(environment)?)
    }

    #[test]
    fn the_environment_is_over_the_file_and_the_file_over_the_defaults() {
        let toml = "[http]\nlisten = \"127.0.0.1:1\"\n[limits]\nmax_body_bytes = 5";
        let variables = [
            ("MERCHANT_OTP__HTTP__LISTEN", "unix:/tmp/s"),
            ("MERCHANT_OTP__LIMITS__SHUTDOWN_GRACE", "7"),
        ];
        let settings = load(toml, &variables).unwrap();
        let http = settings.http().unwrap();
        assert_eq!(http.listen, Listen::Unix("/tmp/s".into()));
        assert_eq!(http.limits.max_body_bytes, 5);
        assert_eq!(http.limits.shutdown_grace, Duration::from_secs(7));
        assert_eq!(settings.storage.connections(), 8);
    }

    #[test]
    fn addresses_that_others_reach_are_encrypted() {
        let listen = |address| ("MERCHANT_OTP__HTTP__LISTEN", address);
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            let error = load("", &[listen(address)]).unwrap_err().to_string();
            assert!(error.contains("http.tls"), "{error}");
            let behind_proxy = ("MERCHANT_OTP__HTTP__BEHIND_PROXY", "true");
            assert!(load("", &[listen(address), behind_proxy]).is_ok());
            let tls = "[http.tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"";
            let http = load(tls, &[listen(address)]).unwrap().http().unwrap();
            assert_eq!(http.tls.unwrap().key, Path::new("b.pem"));
        }
        for address in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "unix:/run/s"] {
            assert!(load("", &[listen(address)]).is_ok());
        }
        let half = load("[http.tls]\nkey = \"b.pem\"", &[]).unwrap_err();
        assert!(format!("{half:#}").contains("certificate"), "{half:#}");
    }

    #[test]
    fn master_keys_are_a_list_or_a_text_with_commas() {
        let sources = ["file:/a b", "env:OLD"].map(|source| source.parse().unwrap());
        let list = "[security]\nmaster_keys = [\"file:/a b\", \"env:OLD\"]";
        assert_eq!(load(list, &[]).unwrap().security.master_keys, sources);
        let variable = [("MERCHANT_OTP__SECURITY__MASTER_KEYS", "file:/a b, env:OLD")];
        assert_eq!(load("", &variable).unwrap().security.master_keys, sources);
        assert_eq!(load("", &[]).unwrap().security.master_keys, []);
    }

    #[test]
    fn errors_name_the_setting() {
        for (toml, variables, name) in [
            ("[http]\nlisten = \"nowhere\"", &[][..], "http.listen"),
            ("[http]\nlisted = \"127.0.0.1:1\"", &[], "listed"),
            ("[htpp]", &[], "htpp"),
            ("[log]\nfilter = \"info\"\n[http", &[], "settings.toml: line 3: "),
            ("[limits]\nmax_body_bytes = -1", &[], "limits.max_body_bytes"),
            ("[storage]\nconnections = 0", &[], "storage.connections"),
            ("[security]\nmaster_keys = [\"x\"]", &[], "file:PATH or env:NAME"),
            ("[log]\nfilter = \"a=b=c\"", &[], "log.filter"),
            ("", &[("MERCHANT_OTP__STORAGE__URL", "oracle:x")], "storage.url"),
            ("", &[("MERCHANT_OTP__STORAGE__UTL", "x")], "utl"),
            ("", &[("MERCHANT_OTP__LIMITS__MAX_BODY_BYTES", "many")], "limits.max_body_bytes"),
            ("", &[("MERCHANT_OTP__LIMITS__MAX_BODY_BYTES", "off")], "limits.max_body_bytes"),
            ("", &[("MERCHANT_OTP__LIMITS__MAX_BODY_BYTES", "0")], "limits.max_body_bytes"),
            ("", &[("MERCHANT_OTP__LIMITS__MAX_BODY_BYTES", "67108865")], "limits.max_body_bytes"),
            ("", &[("MERCHANT_OTP__LIMITS__SHUTDOWN_GRACE", "3601")], "limits.shutdown_grace"),
            ("[audit]\nretention = 36501", &[], "audit.retention"),
            ("", &[("MERCHANT_OTP__STORAGE__CONNECTIONS", "yes")], "storage.connections"),
            ("", &[("MERCHANT_OTP__STORAGE__CONNECTIONS", "401")], "storage.connections"),
            ("[metrics]\nlisten = \"9967\"", &[], "metrics.listen"),
            ("[storage]\nwriters = 1", &[], "writers"),
            ("[http]\nworkers = 513", &[], "http.workers"),
            ("[storage]\ntoken_cache = 1001", &[], "storage.token_cache"),
            (
                "",
                &[("MERCHANT_OTP__STORAGE__CONNECTIONS", "9223372036854775807")],
                "storage.connections",
            ),
            ("", &[("MERCHANT_OTP__STORAGE", "sqlite:a.db")], "storage"),
            ("currencies = []", &[], "currencies"),
            ("[http]\nbody_limit = 1", &[], "body_limit"),
        ] {
            let error = format!("{:#}", load(toml, variables).unwrap_err());
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    /// Tests a variable of each section, with one underscore instead of two.
    #[test]
    fn a_variable_that_would_have_no_effect_is_refused() {
        let settings = load("", &[]).unwrap();
        let sections: toml::Table = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert!(sections.len() >= 8, "{sections:?}");
        for section in sections.keys() {
            let section = section.to_uppercase();
            for name in [format!("MERCHANT_OTP_{section}_X"), format!("MERCHANT_OTP_{section}__X")]
            {
                let error = load("", &[(&name, "x")]).unwrap_err().to_string();
                assert!(error.contains(&name) && error.contains("two underscores"), "{error}");
            }
        }
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let others = [
            ("MERCHANT_OTP_PORT", "tcp://10.0.0.1:80"),
            ("MERCHANT_OTP_SERVICE_PORT_HTTP", "80"),
            ("MERCHANT_OTP_LOGO", "x"),
            ("MERCHANT_OTPS__X", "1"),
        ];
        assert!(load("", &others).is_ok());
    }

    #[test]
    fn a_variable_that_is_not_utf_8_is_named_without_its_value() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from("MERCHANT_OTP__STORAGE__URL");
        let value = OsString::from_vec(b"postgres://u:hunter2\xff@h/d".to_vec());
        let error = variables([(name, value)].into_iter()).unwrap_err().to_string();
        assert_eq!(error, "MERCHANT_OTP__STORAGE__URL: must be UTF-8");
    }

    #[test]
    fn errors_and_shown_settings_hold_no_password() {
        let url = "postgres://u:hunter2@h/d";
        let settings = load("", &[("MERCHANT_OTP__STORAGE__URL", url)]).unwrap();
        let shown = toml::to_string(&settings).unwrap();
        assert!(shown.contains("url = \"postgres://[redacted]\""), "{shown}");
        assert!(!format!("{settings:?}{shown}").contains("hunter2"));
        for toml in [
            "[storage]\nurl = \"hunter2://u:hunter2@h/d\"",
            "[storage]\nurl = [\"hunter2\"]",
            "[storage]\nurl = \"hunter2",
            "[storage]\nurl = { hunter2 = \"hunter2\" }",
            "[storage]\nconnections = \"postgres://u:hunter2@h/d\"",
            "storage = \"postgres://u:hunter2@h/d\"",
            "http = \"hunter2\"",
            "[http]\nlisten = [\"hunter2\"]",
            "[security]\nmaster_keys = [\"hunter2\"]",
            "[security]\nmaster_keys = [[\"hunter2\"]]",
            "[security]\nmaster_keys = \"hunter2\"",
            "[security]\nmaster_keys = { hunter2 = 1 }",
            "[limits]\nmax_body_bytes = \"hunter2\"",
            "[log]\nfilter = { a = \"hunter2\" }",
        ] {
            let error = format!("{:#} {0:?}", load(toml, &[]).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_examples_are_settings() {
        for example in [
            include_str!("../../../config/sqlite.toml"),
            include_str!("../../../config/postgres.toml"),
        ] {
            load(example, &[]).unwrap();
        }
    }
}
