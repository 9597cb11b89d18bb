//! The section `[security]`: sources of the master keys.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use merchant_otp_application::PasswordUse;
use serde::{Deserialize, Serialize};

use super::integer::Bounded;
use thiserror::Error;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Security {
    /// Sources of the master keys; the first key seals.
    #[serde(with = "master_key_sources")]
    pub(crate) master_keys: Vec<MasterKeySource>,
    password_as_token: PasswordAsToken,
    require_old_password: bool,
    /// Of an instance.
    max_access_tokens: Bounded<1, 1_000_000>,
}

/// Where the password of an instance is accepted in place of an access token.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PasswordAsToken {
    Everywhere,
    LogIn,
    Off,
}

impl Security {
    /// Where passwords are accepted in place of access tokens.
    pub(crate) fn password_use(&self) -> PasswordUse {
        match self.password_as_token {
            PasswordAsToken::Everywhere => PasswordUse::Everywhere,
            PasswordAsToken::LogIn => PasswordUse::LogIn,
            PasswordAsToken::Off => PasswordUse::Nowhere,
        }
    }

    /// The maximum number of valid access tokens of an instance.
    pub(crate) fn max_access_tokens(&self) -> u32 {
        self.max_access_tokens.get_as()
    }

    /// Whether a change of the password over a transport needs the old one.
    pub(crate) fn requires_old_password(&self) -> bool {
        self.require_old_password
    }
}

/// Source of a master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MasterKeySource {
    /// A file.
    File(PathBuf),
    /// An environment variable of this name.
    Environment(String),
}

impl FromStr for MasterKeySource {
    type Err = MasterKeySourceError;

    fn from_str(text: &str) -> Result<Self, MasterKeySourceError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            _ => Err(MasterKeySourceError),
        }
    }
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Environment(name) => write!(formatter, "env:{name}"),
        }
    }
}

/// A text is not a [`MasterKeySource`]. The message does not quote it: it may be a master key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the source of a master key must be file:PATH or env:NAME")]
pub(crate) struct MasterKeySourceError;

/// Sources of master keys: a list, or comma-separated text from an environment variable.
///
/// This does not use `serde_with`, whose errors quote an invalid value: it may be a key.
mod master_key_sources {
    use std::fmt;

    use serde::de::{Deserializer, Error, SeqAccess, Visitor};
    use serde::ser::Serializer;

    use super::MasterKeySource;

    pub(super) fn serialize<S: Serializer>(
        sources: &[MasterKeySource],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(sources.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<MasterKeySource>, D::Error> {
        deserializer.deserialize_any(Sources)
    }

    struct Sources;

    impl<'de> Visitor<'de> for Sources {
        type Value = Vec<MasterKeySource>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of file:PATH and env:NAME")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            let sources = text.split(',').map(str::trim).filter(|source| !source.is_empty());
            sources.map(|source| source.parse().map_err(E::custom)).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut sources = Vec::new();
            while let Some(text) = list.next_element::<String>()? {
                sources.push(text.parse().map_err(A::Error::custom)?);
            }
            Ok(sources)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_comes_back_from_its_text() {
        for text in ["file:/etc/merchant-otp/master.key", "file:data/a:b", "env:MASTER_KEY"] {
            assert_eq!(text.parse::<MasterKeySource>().unwrap().to_string(), text);
        }
        for text in ["", "file:", "env:", "/etc/key", "base64:AAAA", "AAAA="] {
            assert_eq!(text.parse::<MasterKeySource>(), Err(MasterKeySourceError), "{text}");
        }
    }
}
