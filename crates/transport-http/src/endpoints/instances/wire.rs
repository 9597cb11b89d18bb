//! The bodies of requests and responses about instances.

use std::collections::BTreeMap;

use merchant_otp_application::ListedInstance;
use merchant_otp_domain::{Instance, InstanceId, InstanceName, Password};
use merchant_otp_taler_protocol::{ACCESS_TOKEN_PREFIX, PASSWORD_METHOD};
use serde::Serialize;
use utoipa::ToSchema;

use crate::endpoints::time::RelativeTimeJson;
use crate::error::HttpError;
use crate::extract::json_object::{JsonError, JsonObject};

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
#[derive(Serialize, ToSchema)]
pub(crate) struct QueryInstancesResponse<'a> {
    /// The display name.
    name: &'a str,
    /// Empty: the service has no keys.
    merchant_pub: &'static str,
    /// Empty.
    #[schema(value_type = Object)]
    address: BTreeMap<&'static str, &'static str>,
    /// Empty.
    #[schema(value_type = Object)]
    jurisdiction: BTreeMap<&'static str, &'static str>,
    /// Always `false`.
    use_stefan: bool,
    /// Always zero.
    default_pay_delay: RelativeTimeJson,
    /// Always zero.
    default_refund_delay: RelativeTimeJson,
    /// Always zero.
    default_wire_transfer_delay: RelativeTimeJson,
    /// How clients log in.
    auth: AuthMethod,
}

impl<'a> From<&'a Instance> for QueryInstancesResponse<'a> {
    fn from(instance: &'a Instance) -> Self {
        Self {
            name: instance.name.as_str(),
            merchant_pub: NO_KEY,
            address: BTreeMap::new(),
            jurisdiction: BTreeMap::new(),
            use_stefan: false,
            default_pay_delay: RelativeTimeJson::ZERO,
            default_refund_delay: RelativeTimeJson::ZERO,
            default_wire_transfer_delay: RelativeTimeJson::ZERO,
            auth: AuthMethod { method: PASSWORD_METHOD },
        }
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

/// An instance to create.
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
}

impl InstanceConfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, HttpError> {
        let mut message = JsonObject::parse(json, &[ID, NAME, AUTH, METHOD, PASSWORD, TOKEN])?;
        let id = InstanceId::parse(&message.text(ID)?).map_err(JsonError::refused(ID))?;
        let name = InstanceName::parse(message.text(NAME)?.as_str());
        let name = name.map_err(JsonError::refused(NAME))?;
        let auth = message.required(AUTH)?.object(AUTH);
        let auth = auth.and_then(InstanceAuthConfigurationMessage::of);
        Ok(Self { id, name, auth: auth.map_err(HttpError::AuthOfNewInstance)? })
    }

    /// Returns the instance and its password.
    pub(crate) fn into_instance(self) -> (Instance, Password) {
        (Instance { id: self.id, name: self.name }, self.auth.password)
    }
}

/// A change of an instance.
#[derive(ToSchema)]
pub(crate) struct InstanceReconfigurationMessage {
    /// The display name.
    #[schema(
        value_type = Option<String>,
        min_length = 1,
        max_length = 1024,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    pub(crate) name: Option<InstanceName>,
}

impl InstanceReconfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut message = JsonObject::parse(json, &[NAME])?;
        let parse = |text: &str| InstanceName::parse(text).map_err(JsonError::refused(NAME));
        let name = message.take(NAME).map(|name| name.text(NAME).and_then(parse));
        Ok(Self { name: name.transpose()? })
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
    pub(crate) password: Password,
}

impl InstanceAuthConfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, HttpError> {
        let auth = JsonObject::parse(json, &[METHOD, PASSWORD, TOKEN])?;
        Self::of(auth).map_err(HttpError::Auth)
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
        Ok(Self { method: (), password })
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
