use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use config::{Config, Environment, File, FileFormat};
use merchant_otp_transport_http::{HttpSettings, Listen};
use serde::{Deserialize, Serialize};

use crate::storage_url::StorageUrl;

/// The settings that hold when nothing else is said.
const DEFAULT: &str = include_str!("../../../config/default.toml");

/// What the names of environment variables begin with.
const PREFIX: &str = "MERCHANT_OTP";

/// The settings of the service; docs/configuration.md explains them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    http: Http,
    pub(crate) storage: Storage,
    pub(crate) log: Log,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Http {
    listen: String,
    body_limit: usize,
    /// In seconds.
    shutdown_grace: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storage {
    pub(crate) url: StorageUrl,
    pub(crate) connections: usize,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) filter: String,
}

impl Settings {
    /// The defaults, then the file, then the environment.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__");
        check_environment(env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        Self::from_sources(file, environment)
    }

    fn from_sources(file: Option<&Path>, environment: Environment) -> anyhow::Result<Self> {
        let mut sources = Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        if let Some(path) = file {
            let text = read_file(path).with_context(|| path.display().to_string())?;
            sources = sources.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let settings: Self = sources
            .add_source(environment)
            .build()
            .and_then(Config::try_deserialize)
            .context("reading the settings")?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        self.http()?;
        self.storage.url.scheme().context("storage.url")?;
        if self.storage.connections == 0 {
            bail!("storage.connections: there is at least 1");
        }
        crate::telemetry::filter(&self.log).context("log.filter")?;
        Ok(())
    }

    /// What the HTTP transport is to do.
    pub(crate) fn http(&self) -> anyhow::Result<HttpSettings> {
        let listen: Listen = self.http.listen.parse().context("http.listen")?;
        Ok(HttpSettings {
            listen,
            body_limit: self.http.body_limit,
            shutdown_grace: Duration::from_secs(self.http.shutdown_grace),
        })
    }
}

/// Reads a file of settings, and says where its TOML is wrong.
///
/// Errors of TOML quote the line, which may hold the password of a database: the number must do.
fn read_file(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)?;
    if let Err(error) = toml::from_str::<toml::Table>(&text) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        bail!("line {}: {}", before.matches('\n').count() + 1, error.message());
    }
    Ok(text)
}

/// Refuses variables that look like settings and would be passed over.
fn check_environment(names: impl Iterator<Item = String>) -> anyhow::Result<()> {
    for name in names {
        let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
        if rest.is_some_and(|rest| !rest.starts_with('_')) {
            bail!(
                "{name}: no such setting; two underscores stand between levels: {PREFIX}__HTTP__LISTEN"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a file's text and of variables.
    fn load(toml: &str, variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, toml).unwrap();
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = Environment::with_prefix(PREFIX)
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables.collect()));
        Settings::from_sources(Some(&path), environment)
    }

    #[test]
    fn the_environment_is_over_the_file_and_the_file_over_the_defaults() {
        let toml = "[http]\nlisten = \"127.0.0.1:1\"\nbody_limit = 5";
        let variables = [
            ("MERCHANT_OTP__HTTP__LISTEN", "unix:/tmp/s"),
            ("MERCHANT_OTP__HTTP__SHUTDOWN_GRACE", "7"),
        ];
        let settings = load(toml, &variables).unwrap();
        let http = settings.http().unwrap();
        assert_eq!(http.listen, Listen::Unix("/tmp/s".into()));
        assert_eq!(http.body_limit, 5);
        assert_eq!(http.shutdown_grace, Duration::from_secs(7));
        assert_eq!(settings.storage.connections, 8);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (toml, variables, name) in [
            ("[http]\nlisten = \"nowhere\"", &[][..], "http.listen"),
            ("[http]\nlisted = \"127.0.0.1:1\"", &[], "listed"),
            ("[htpp]", &[], "htpp"),
            ("[log]\nfilter = \"info\"\n[http", &[], "settings.toml: line 3: "),
            ("[http]\nbody_limit = -1", &[], "http.body_limit"),
            ("[storage]\nconnections = 0", &[], "storage.connections"),
            ("[log]\nfilter = \"a=b=c\"", &[], "log.filter"),
            ("", &[("MERCHANT_OTP__STORAGE__URL", "oracle:x")], "storage.url"),
            ("", &[("MERCHANT_OTP__STORAGE__UTL", "x")], "utl"),
            ("", &[("MERCHANT_OTP__HTTP__BODY_LIMIT", "many")], "http.body_limit"),
        ] {
            let error = format!("{:#}", load(toml, variables).unwrap_err());
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn a_variable_of_the_wrong_form_is_named() {
        let check = |name: &str| check_environment([name.to_owned()].into_iter());
        assert!(check("MERCHANT_OTP__HTTP__LISTEN").is_ok());
        assert!(check("MERCHANT_OTPS").is_ok());
        let error = check("MERCHANT_OTP_HTTP__LISTEN").unwrap_err().to_string();
        assert!(error.contains("MERCHANT_OTP_HTTP__LISTEN"), "{error}");
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
        ] {
            let error = format!("{:#}", load(toml, &[]).unwrap_err());
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
