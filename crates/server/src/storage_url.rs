//! The URL of the database.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// The URL of the database.
///
/// It may contain a password, so `Debug` and serialization show only its scheme. The URL of an
/// embedded database has no password and is shown completely.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct StorageUrl(String);

/// The storage adapter that a URL selects.
pub(crate) enum Scheme<'a> {
    Sqlite(PathBuf),
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "for the adapter"))]
    Postgres(&'a str),
}

impl StorageUrl {
    /// Selects the adapter by the scheme.
    pub(crate) fn scheme(&self) -> Result<Scheme<'_>, StorageUrlError> {
        if let Some(path) = self.0.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(':') {
                return Err(StorageUrlError::SqlitePath);
            }
            return Ok(Scheme::Sqlite(PathBuf::from(path)));
        }
        if self.0.starts_with("postgres://") || self.0.starts_with("postgresql://") {
            return Ok(Scheme::Postgres(&self.0));
        }
        Err(StorageUrlError::Scheme)
    }

    fn redacted(&self) -> String {
        match self.scheme() {
            Ok(Scheme::Sqlite(path)) => format!("sqlite:{}", path.display()),
            Ok(Scheme::Postgres(_)) => "postgres://[redacted]".to_owned(),
            Err(_) => "[redacted]".to_owned(),
        }
    }
}

impl fmt::Debug for StorageUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StorageUrl({})", self.redacted())
    }
}

impl Serialize for StorageUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

/// Why a URL selects no adapter. The message does not quote the URL.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum StorageUrlError {
    #[error("the scheme must be sqlite: or postgres://")]
    Scheme,
    #[error("the URL contains no file path; use sqlite:PATH")]
    SqlitePath,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> StorageUrl {
        StorageUrl(text.to_owned())
    }

    #[test]
    fn the_scheme_picks_the_adapter() {
        for (text, path) in [
            ("sqlite:data/a.db", "data/a.db"),
            ("sqlite://data/a.db", "data/a.db"),
            ("sqlite:/var/a.db", "/var/a.db"),
            ("sqlite:///var/a.db", "/var/a.db"),
        ] {
            let url = url(text);
            assert!(matches!(url.scheme().unwrap(), Scheme::Sqlite(file) if *file == *path));
        }
        for text in ["postgres://u:p@h/d", "postgresql:///d?host=/run"] {
            assert!(matches!(url(text).scheme().unwrap(), Scheme::Postgres(url) if url == text));
        }
        for (text, error) in [
            ("", StorageUrlError::Scheme),
            ("mysql://u:p@h/d", StorageUrlError::Scheme),
            ("postgres:d", StorageUrlError::Scheme),
            ("sqlite:", StorageUrlError::SqlitePath),
            ("sqlite::memory:", StorageUrlError::SqlitePath),
        ] {
            assert_eq!(url(text).scheme().err(), Some(error), "{text}");
        }
    }

    #[test]
    fn debug_is_redacted() {
        let debug = |text| format!("{:?}", url(text));
        assert_eq!(debug("postgres://u:hunter2@h/d"), "StorageUrl(postgres://[redacted])");
        assert_eq!(debug("postgre://u:hunter2@h/d"), "StorageUrl([redacted])");
        assert_eq!(debug("sqlite:data/a.db"), "StorageUrl(sqlite:data/a.db)");
    }
}
