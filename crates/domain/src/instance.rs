//! Merchant instances.

use std::fmt;

use thiserror::Error;

/// A merchant instance: a merchant with devices and access tokens of its own.
///
/// ```
/// use merchant_otp_domain::{Instance, InstanceId, InstanceName, InstanceSettings};
///
/// let instance = Instance {
///     id: InstanceId::parse("shop").unwrap(),
///     name: InstanceName::parse("The shop").unwrap(),
///     settings: InstanceSettings::default(),
/// };
/// assert_ne!(instance, Instance::admin());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The identifier, as used in URLs.
    pub id: InstanceId,
    /// The display name.
    pub name: InstanceName,
    /// The settings that the service stores for its clients.
    pub settings: InstanceSettings,
}

impl Instance {
    /// The initial state of the instance that URLs without `/instances/$INSTANCE` address.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            id: InstanceId::admin(),
            name: InstanceName(InstanceId::ADMIN.to_owned()),
            settings: InstanceSettings::default(),
        }
    }
}

/// The identifier of an instance, as used in URLs.
///
/// Matches `^[A-Za-z0-9][A-Za-z0-9_.@-]+$` (merchant protocol, `POST /management/instances`), so it
/// has at least 2 bytes, and at most [`InstanceId::MAX_BYTES`]. Compared byte by byte.
///
/// ```
/// use merchant_otp_domain::InstanceId;
///
/// assert_eq!(InstanceId::parse("shop_7").unwrap().as_str(), "shop_7");
/// assert!(InstanceId::parse("no blanks").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(String);

impl InstanceId {
    /// The maximum length, in bytes. The protocol sets no limit.
    pub const MAX_BYTES: usize = 255;

    /// The former id of the instance `admin` in the protocol. No other instance may have it.
    pub const FORMER_ADMIN: &str = "default";

    /// The id of the instance that manages the others.
    pub const ADMIN: &str = "admin";

    /// Parses an identifier.
    ///
    /// # Errors
    ///
    /// If the text is too short, too long, or has a character that the protocol does not allow.
    pub fn parse(text: &str) -> Result<Self, InstanceIdError> {
        let [first, rest @ ..] = text.as_bytes() else {
            return Err(InstanceIdError::TooShort);
        };
        if rest.is_empty() {
            return Err(InstanceIdError::TooShort);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InstanceIdError::TooLong);
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(byte);
        if !first.is_ascii_alphanumeric() || !rest.iter().all(allowed) {
            return Err(InstanceIdError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The id of the instance that URLs without `/instances/$INSTANCE` address.
    #[must_use]
    pub fn admin() -> Self {
        Self(Self::ADMIN.to_owned())
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Error returned by [`InstanceId::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InstanceIdError {
    /// Fewer than 2 bytes.
    #[error("an instance id has at least 2 characters")]
    TooShort,
    /// More than [`InstanceId::MAX_BYTES`].
    #[error("an instance id has at most {} bytes", InstanceId::MAX_BYTES)]
    TooLong,
    /// A character outside the protocol's pattern.
    #[error("an instance id matches ^[A-Za-z0-9][A-Za-z0-9_.@-]+$")]
    Character,
}

/// The display name of an instance.
///
/// 1 to [`InstanceName::MAX_BYTES`] bytes of UTF-8 without control characters.
///
/// ```
/// use merchant_otp_domain::InstanceName;
///
/// assert_eq!(InstanceName::parse("Café №1").unwrap().as_str(), "Café №1");
/// assert!(InstanceName::parse("two\nlines").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName(String);

impl InstanceName {
    /// The maximum length, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// If the text is empty, too long, or has a control character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InstanceNameError> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(InstanceNameError::Length);
        }
        if text.contains(char::is_control) {
            return Err(InstanceNameError::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Error returned by [`InstanceName::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InstanceNameError {
    /// Empty, or more than [`InstanceName::MAX_BYTES`].
    #[error("a name has 1 to {} bytes", InstanceName::MAX_BYTES)]
    Length,
    /// A control character: names are shown on one line.
    #[error("a name has no control characters")]
    ControlCharacter,
}

/// The settings of an instance that the service stores for its clients and does not use, such as
/// its address: a JSON object, as a client wrote it.
///
/// It is opaque here: up to [`InstanceSettings::MAX_BYTES`] of text without NUL. Two texts may
/// denote the same settings.
///
/// ```
/// use merchant_otp_domain::InstanceSettings;
///
/// let settings = InstanceSettings::parse(r#"{"use_stefan":true}"#).unwrap();
/// assert_eq!(settings.as_str(), r#"{"use_stefan":true}"#);
/// assert_eq!(InstanceSettings::default().as_str(), "{}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSettings(String);

impl InstanceSettings {
    /// The maximum length, in bytes: 64 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Checks the length and the characters of settings. That they are a JSON object is not
    /// checked.
    ///
    /// # Errors
    ///
    /// If the text is too long or contains a NUL, which `PostgreSQL` cannot store.
    pub fn parse(text: impl Into<String>) -> Result<Self, InstanceSettingsError> {
        let text = text.into();
        if text.len() > Self::MAX_BYTES {
            return Err(InstanceSettingsError::TooLong);
        }
        if text.contains('\0') {
            return Err(InstanceSettingsError::Nul);
        }
        Ok(Self(text))
    }

    /// The settings as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for InstanceSettings {
    /// No settings.
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

/// Error returned by [`InstanceSettings::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InstanceSettingsError {
    /// More than [`InstanceSettings::MAX_BYTES`].
    #[error("the settings of an instance have at most {} bytes", InstanceSettings::MAX_BYTES)]
    TooLong,
    /// A NUL character.
    #[error("the settings of an instance have no NUL character")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_of_the_protocol_decides_on_an_id() {
        for good in ["admin", "a1", "0-", "Shop_7.b@c-d", &"x".repeat(255)] {
            assert_eq!(InstanceId::parse(good).unwrap().as_str(), good);
        }
        for (bad, error) in [
            ("", InstanceIdError::TooShort),
            ("a", InstanceIdError::TooShort),
            ("-a", InstanceIdError::Character),
            (".a", InstanceIdError::Character),
            ("a/", InstanceIdError::Character),
            ("a b", InstanceIdError::Character),
            ("shöp", InstanceIdError::Character),
            ("ab\n", InstanceIdError::Character),
            (&"x".repeat(256), InstanceIdError::TooLong),
        ] {
            assert_eq!(InstanceId::parse(bad), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn the_admin_instance_is_valid() {
        assert_eq!(InstanceId::parse("admin"), Ok(Instance::admin().id));
        assert_eq!(InstanceName::parse("admin"), Ok(Instance::admin().name));
    }

    #[test]
    fn a_name_is_one_line_of_text() {
        assert_eq!(InstanceName::parse("Café №1").unwrap().as_str(), "Café №1");
        assert_eq!(InstanceName::parse(""), Err(InstanceNameError::Length));
        assert_eq!(InstanceName::parse("n".repeat(1025)), Err(InstanceNameError::Length));
        assert_eq!(InstanceName::parse("a\nb"), Err(InstanceNameError::ControlCharacter));
    }
}
