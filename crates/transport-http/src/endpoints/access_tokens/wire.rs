//! What is sent and received of access tokens.

use merchant_otp_application::{IssuedAccessToken, NewAccessToken, StoredAccessToken};
use merchant_otp_domain::{AccessTokenDescription, Lifetime, TokenScope};
use serde::Serialize;
use utoipa::ToSchema;

use crate::endpoints::time::{MICROSECONDS, RelativeTimeJson, TimestampJson, lifetime};
use crate::extract::json_object::{JsonError, JsonObject, Value};

/// An access token that was made just now.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginTokenSuccessResponse<'a> {
    /// The token again, by the name that it had before v19.
    token: &'a str,
    /// The token: it is told only now.
    access_token: &'a str,
    /// What it allows.
    scope: &'static str,
    /// Until when it is good.
    expiration: TimestampJson,
    /// Whether it may be exchanged for a new one.
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

/// What is known of an access token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenInfo<'a> {
    /// When it was made.
    creation_time: TimestampJson,
    /// Until when it is good.
    expiration: TimestampJson,
    /// What it allows.
    scope: &'static str,
    /// Whether it may be exchanged for a new one.
    refreshable: bool,
    /// What it is for; absent if nothing was said.
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    /// Its number, to revoke it by.
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

/// What an access token is to be.
#[derive(ToSchema)]
pub(crate) struct LoginTokenRequest {
    /// What it is to allow.
    #[schema(
        value_type = String,
        pattern = "^(readonly|write|all|order-(simple|pos|mgmt|full))(:refreshable)?$"
    )]
    scope: TokenScope,
    /// For how long it is to be good; for a day if it is absent.
    #[schema(value_type = Option<RelativeTimeJson>)]
    duration: Option<Lifetime>,
    /// What it is for.
    #[schema(value_type = Option<String>, max_length = 1024, pattern = r"^[^\x00]*$")]
    description: Option<AccessTokenDescription>,
    /// What the suffix of the scope said before v19.
    refreshable: Option<bool>,
}

impl LoginTokenRequest {
    pub(crate) fn read(json: &[u8]) -> Result<Self, JsonError> {
        let known = &[SCOPE, DURATION, DESCRIPTION, REFRESHABLE, MICROSECONDS];
        let mut request = JsonObject::parse(json, known)?;
        let duration = |value: Value| value.object(DURATION).and_then(lifetime);
        let refreshable = |value: Value| value.boolean(REFRESHABLE);
        Ok(Self {
            scope: TokenScope::parse(&request.text(SCOPE)?).map_err(JsonError::refused(SCOPE))?,
            duration: request.take(DURATION).map(duration).transpose()?,
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

fn description(value: &Value) -> Result<AccessTokenDescription, JsonError> {
    AccessTokenDescription::parse(value.text(DESCRIPTION)?).map_err(JsonError::refused(DESCRIPTION))
}
