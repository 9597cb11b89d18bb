//! The bodies of requests and responses about access tokens.

use merchant_otp_application::{IssuedAccessToken, NewAccessToken, StoredAccessToken};
use merchant_otp_domain::{AccessTokenDescription, Lifetime, TokenScope};
use serde::Serialize;
use utoipa::ToSchema;

use crate::endpoints::time::{MICROSECONDS, RelativeTimeJson, TimestampJson, lifetime};
use crate::error::HttpError;
use crate::extract::json_object::{JsonError, JsonObject, Value};

/// A newly issued access token.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginTokenSuccessResponse<'a> {
    /// The same token, under the field name before protocol v19.
    token: &'a str,
    /// The token. It cannot be retrieved later.
    access_token: &'a str,
    /// The scope of the token.
    scope: &'static str,
    /// When the token expires.
    expiration: TimestampJson,
    /// Whether the token can be exchanged for a new one.
    refreshable: bool,
}

impl<'a> LoginTokenSuccessResponse<'a> {
    pub(crate) fn new(token: &'a str, issued: &IssuedAccessToken) -> Self {
        Self {
            token,
            access_token: token,
            scope: issued.scope.scope.name(),
            expiration: issued.expiration.into(),
            refreshable: issued.scope.refreshable,
        }
    }
}

/// Access tokens of an instance.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenInfos<'a> {
    /// The access tokens.
    tokens: Vec<TokenInfo<'a>>,
}

impl<'a> From<&'a [StoredAccessToken]> for TokenInfos<'a> {
    fn from(tokens: &'a [StoredAccessToken]) -> Self {
        Self { tokens: tokens.iter().map(TokenInfo::from).collect() }
    }
}

/// An access token in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenInfo<'a> {
    /// When the token was issued.
    creation_time: TimestampJson,
    /// When the token expires.
    expiration: TimestampJson,
    /// The scope of the token.
    scope: &'static str,
    /// Whether the token can be exchanged for a new one.
    refreshable: bool,
    /// The purpose of the token; absent if none was given.
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    /// The serial of the token, for revoking it.
    serial: i64,
}

impl<'a> From<&'a StoredAccessToken> for TokenInfo<'a> {
    fn from(token: &'a StoredAccessToken) -> Self {
        Self {
            creation_time: token.info.created.into(),
            expiration: token.info.expiration.into(),
            scope: token.info.scope.scope.name(),
            refreshable: token.info.scope.refreshable,
            description: token.info.description.as_str(),
            serial: token.serial.value(),
        }
    }
}

const SCOPE: &str = "scope";
const DURATION: &str = "duration";
const DESCRIPTION: &str = "description";
const REFRESHABLE: &str = "refreshable";

/// The properties of a new access token.
#[derive(ToSchema)]
pub(crate) struct LoginTokenRequest {
    /// The scope of the token.
    #[schema(
        value_type = String,
        pattern = "^(readonly|write|all|order-(simple|pos|mgmt|full))(:refreshable)?$"
    )]
    scope: TokenScope,
    /// The lifetime of the token; a day if absent.
    #[schema(value_type = Option<RelativeTimeJson>)]
    duration: Option<Lifetime>,
    /// The purpose of the token.
    #[schema(value_type = Option<String>, max_length = 1024, pattern = r"^[^\x00]*$")]
    description: Option<AccessTokenDescription>,
    /// Whether the token is refreshable. Clients before protocol v19 send this field instead of the
    /// suffix `:refreshable` of the scope.
    refreshable: Option<bool>,
}

impl LoginTokenRequest {
    pub(crate) fn read(json: &[u8]) -> Result<Self, HttpError> {
        let known = &[SCOPE, DURATION, DESCRIPTION, REFRESHABLE, MICROSECONDS];
        let mut request = JsonObject::parse(json, known)?;
        let duration = |value: Value| value.object(DURATION).and_then(lifetime);
        let refreshable = |value: Value| value.boolean(REFRESHABLE);
        Ok(Self {
            scope: scope(&mut request).map_err(HttpError::TokenParameter)?,
            duration: request
                .take(DURATION)
                .map(duration)
                .transpose()
                .map_err(HttpError::TokenParameter)?,
            description: request.take(DESCRIPTION).as_ref().map(description).transpose()?,
            refreshable: request.take(REFRESHABLE).map(refreshable).transpose()?,
        })
    }

    pub(crate) fn into_new_access_token(self) -> NewAccessToken {
        let TokenScope { scope, refreshable } = self.scope;
        let refreshable = refreshable || self.refreshable == Some(true);
        NewAccessToken {
            scope: TokenScope { scope, refreshable },
            lifetime: self.duration,
            description: self.description.unwrap_or_default(),
        }
    }
}

fn scope(request: &mut JsonObject) -> Result<TokenScope, JsonError> {
    TokenScope::parse(&request.text(SCOPE)?).map_err(JsonError::refused(SCOPE))
}

fn description(value: &Value) -> Result<AccessTokenDescription, JsonError> {
    AccessTokenDescription::parse(value.text(DESCRIPTION)?).map_err(JsonError::refused(DESCRIPTION))
}
