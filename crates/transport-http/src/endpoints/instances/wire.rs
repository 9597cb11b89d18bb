//! The bodies of requests and responses about instances.

use merchant_otp_application::{InstanceChange, ListedInstance, PasswordChange, instance_settings};
use merchant_otp_domain::{Instance, InstanceId, InstanceName, InstanceSettings, Password};
use merchant_otp_taler_protocol::{ACCESS_TOKEN_PREFIX, PASSWORD_METHOD};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::settings::{self, DEFAULTS};
use crate::endpoints::time::RelativeTimeJson;
use crate::error::HttpError;
use crate::extract::json_object::{JsonError, JsonObject, Value};

/// The service signs nothing and has no key, but clients expect a string.
const NO_KEY: &str = "";

/// The instances.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstancesResponse<'a> {
    /// The instances.
    instances: Vec<InstanceEntry<'a>>,
}

impl<'a> From<&'a [ListedInstance]> for InstancesResponse<'a> {
    fn from(all: &'a [ListedInstance]) -> Self {
        let entry = |listed: &'a ListedInstance| InstanceEntry {
            id: listed.instance.id.as_str(),
            name: listed.instance.name.as_str(),
            merchant_pub: NO_KEY,
            payment_targets: [],
            deleted: listed.deleted,
        };
        Self { instances: all.iter().map(entry).collect() }
    }
}

/// An instance in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Instance)]
pub(crate) struct InstanceEntry<'a> {
    /// The name in URLs.
    id: &'a str,
    /// The display name.
    name: &'a str,
    /// Empty: the service has no keys.
    merchant_pub: &'static str,
    /// Empty: the service takes no payments.
    #[schema(value_type = Vec<String>)]
    payment_targets: [&'static str; 0],
    /// Whether the instance is deleted: kept, but unusable.
    deleted: bool,
}

/// The properties of an instance.
#[derive(ToSchema)]
#[schema(as = QueryInstancesResponse)]
#[expect(dead_code, reason = "a schema")]
pub(crate) struct QueryInstancesResponseSchema {
    /// The display name.
    name: String,
    /// Empty: the service has no keys.
    merchant_pub: String,
    /// The address, as written by the client.
    #[schema(value_type = Object)]
    address: (),
    /// The jurisdiction, as written by the client.
    #[schema(value_type = Object)]
    jurisdiction: (),
    /// As written by the client; `false` by default.
    use_stefan: bool,
    /// As written by the client; zero by default.
    default_pay_delay: RelativeTimeJson,
    /// As written by the client; zero by default.
    default_refund_delay: RelativeTimeJson,
    /// As written by the client; zero by default.
    default_wire_transfer_delay: RelativeTimeJson,
    /// How clients log in.
    auth: AuthMethod,
}

/// The properties of an instance: its name, its settings as clients wrote them, and the other
/// fields that clients of the protocol expect.
pub(crate) struct QueryInstancesResponse<'a>(pub(crate) &'a Instance);

impl Serialize for QueryInstancesResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = instance_settings::members(&self.0.settings);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(NAME, self.0.name.as_str())?;
        map.serialize_entry("merchant_pub", NO_KEY)?;
        for (name, default) in DEFAULTS {
            if !written.iter().any(|(member, _)| member == name) {
                let default: &RawValue = serde_json::from_str(default).map_err(S::Error::custom)?;
                map.serialize_entry(name, default)?;
            }
        }
        for (name, value) in &written {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry(AUTH, &AuthMethod { method: PASSWORD_METHOD })?;
        map.end()
    }
}

/// How the clients of an instance log in.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuthMethod {
    /// Always `token`: clients exchange a password for access tokens.
    method: &'static str,
}

const ID: &str = "id";
const NAME: &str = "name";
const AUTH: &str = "auth";
const METHOD: &str = "method";
const PASSWORD: &str = "password";
const TOKEN: &str = "token";
const OLD_PASSWORD: &str = "old_password";

/// An instance to create. The other settings of the protocol, such as `address`, are stored
/// unchanged: up to 64 KiB.
#[derive(ToSchema)]
pub(crate) struct InstanceConfigurationMessage {
    /// The name in URLs.
    #[schema(
        value_type = String,
        min_length = 2,
        max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.@-]+$"
    )]
    id: InstanceId,
    /// The display name: 1 to 1024 bytes without control characters.
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 1024,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    name: InstanceName,
    /// How clients log in.
    auth: InstanceAuthConfigurationMessage,
    #[schema(ignore)]
    settings: InstanceSettings,
}

impl InstanceConfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, HttpError> {
        let mut message =
            JsonObject::parse(json, &[ID, NAME, AUTH, METHOD, PASSWORD, TOKEN, OLD_PASSWORD])?;
        let id = InstanceId::parse(&message.text(ID)?).map_err(JsonError::refused(ID))?;
        let name = InstanceName::parse(message.text(NAME)?.as_str());
        let name = name.map_err(JsonError::refused(NAME))?;
        let auth = message.required(AUTH)?.object(AUTH);
        let auth = auth.and_then(InstanceAuthConfigurationMessage::of);
        let settings = settings::read(json)?;
        Ok(Self { id, name, auth: auth.map_err(HttpError::AuthOfNewInstance)?, settings })
    }

    /// Returns the instance and its password.
    pub(crate) fn into_instance(self) -> (Instance, Password) {
        let Self { id, name, auth, settings } = self;
        (Instance { id, name, settings }, auth.password)
    }
}

/// A change of an instance. The other settings of the protocol, such as `address`, are replaced if
/// they are present.
#[derive(ToSchema)]
pub(crate) struct InstanceReconfigurationMessage {
    /// The display name.
    #[schema(
        value_type = Option<String>,
        min_length = 1,
        max_length = 1024,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    name: Option<InstanceName>,
    #[schema(ignore)]
    settings: InstanceSettings,
}

impl InstanceReconfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut message = JsonObject::parse(json, &[NAME])?;
        let parse = |text: &str| InstanceName::parse(text).map_err(JsonError::refused(NAME));
        let name = message.take(NAME).map(|name| name.text(NAME).and_then(parse));
        Ok(Self { name: name.transpose()?, settings: settings::read(json)? })
    }

    pub(crate) fn into_change(self) -> InstanceChange {
        InstanceChange { name: self.name, settings: self.settings }
    }
}

/// How the clients of an instance log in (protocol v19).
#[derive(ToSchema)]
pub(crate) struct InstanceAuthConfigurationMessage {
    /// `token`: clients exchange a password for access tokens.
    #[schema(value_type = String, pattern = "^token$")]
    #[expect(dead_code, reason = "there is one method")]
    method: (),
    /// The password: 1 to 1024 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 1024)]
    password: Password,
    /// The present password; checked if it is present. A setting can make it mandatory.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    old_password: Option<Password>,
}

impl InstanceAuthConfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, HttpError> {
        let auth = JsonObject::parse(json, &[METHOD, PASSWORD, TOKEN, OLD_PASSWORD])?;
        Self::of(auth).map_err(HttpError::Auth)
    }

    pub(crate) fn into_change(self) -> PasswordChange {
        PasswordChange { old: self.old_password, ..PasswordChange::to(self.password) }
    }

    fn of(mut auth: JsonObject) -> Result<Self, JsonError> {
        if auth.text(METHOD)?.as_str() != PASSWORD_METHOD {
            let reason = "the method is \"token\"".into();
            return Err(JsonError::Field { name: METHOD, reason });
        }
        let password = match (auth.take(PASSWORD), auth.take(TOKEN)) {
            (None, Some(token)) => password_in_token(token.text(TOKEN)?)?,
            (Some(password), _) => {
                Password::parse(password.text(PASSWORD)?).map_err(JsonError::refused(PASSWORD))?
            }
            (None, None) => {
                return Err(JsonError::Field {
                    name: PASSWORD,
                    reason: "the field is missing".into(),
                });
            }
        };
        let parse = |value: Value| {
            Password::parse(value.text(OLD_PASSWORD)?).map_err(JsonError::refused(OLD_PASSWORD))
        };
        let old_password = auth.take(OLD_PASSWORD).map(parse).transpose()?;
        Ok(Self { method: (), password, old_password })
    }
}

/// Returns the password in a `token`, which clients before v19 send instead of a `password`: the
/// text after the prefix of access tokens.
fn password_in_token(token: &str) -> Result<Password, JsonError> {
    let prefix = token.get(..ACCESS_TOKEN_PREFIX.len());
    let has_prefix = prefix.is_some_and(|text| text.eq_ignore_ascii_case(ACCESS_TOKEN_PREFIX));
    let password = if has_prefix { token.get(ACCESS_TOKEN_PREFIX.len()..) } else { None };
    let reason = "the token must begin with secret-token:, followed by the password";
    let password = password.ok_or(JsonError::Field { name: TOKEN, reason: reason.into() })?;
    Password::parse(password).map_err(JsonError::refused(TOKEN))
}
