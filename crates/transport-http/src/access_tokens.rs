//! `[/instances/$INSTANCE]/private/token` and `…/private/tokens[/$SERIAL]`: log-in and its tokens

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::{
    AccessTokenPage, Error, LogIn, NewAccessToken, Refusal, StoredAccessToken,
};
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenSerial, InstanceId, Lifetime, Permission, TokenScope,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::client_address::client_address;
use crate::credentials::{Credentials, access_token};
use crate::error::{ErrorDetail, HttpError};
use crate::json_object::{JsonError, JsonObject, Value};
use crate::query::Query;
use crate::routes::App;
use crate::time::{MICROSECONDS, RelativeTimeJson, TimestampJson, lifetime};
use crate::{body, instance, openapi};

/// `POST` on `token`: makes an access token for whoever has the password or a refreshable token.
#[utoipa::path(
    post,
    path = "/private/token",
    operation_id = "log_in",
    tag = openapi::ACCESS_TOKENS,
    summary = "Make an access token",
    description = "For whoever has the password of the instance (Basic, with the id of the instance as \
                   name) or a refreshable access token of it that may do as much.",
    security(("password" = []), ("access_token" = [])),
    request_body = LoginTokenRequest,
    responses(
        (status = 200, description = "The access token.", body = LoginTokenSuccessResponse),
        (
            status = 429,
            description = "Too many log-ins failed (2015); `Retry-After` tells how long to wait.",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn log_in(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let id = instance::of(&request).ok_or(Error::InstanceUnknown)?;
    instance::known(&request, &id, app.service.find_instance(&id).await)?;
    let Some(credentials) = Credentials::of(&request) else {
        return Err(Error::Unauthorized(Refusal::Missing).into());
    };
    // The body first: credentials that were good while it came may no longer be.
    let body = body::read(&request, payload, app.body_limit.min(LARGEST_LOG_IN)).await?;
    let log_in = authenticate(&app, &request, &id, credentials).await?;
    let new = LoginTokenRequest::read(&body.bytes)?.into_new_access_token();
    let issued = app.service.issue_access_token(&log_in, new).await.map_err(HttpError::Storing)?;
    let token = issued.token.expose();
    Ok(HttpResponse::Ok().json(LoginTokenSuccessResponse {
        token: &token,
        access_token: &token,
        scope: issued.scope.scope.name(),
        expiration: issued.expiration.into(),
        refreshable: issued.scope.refreshable,
    }))
}

/// The largest body of a log-in, in bytes: it is read before anybody proved who they are.
const LARGEST_LOG_IN: usize = 16 * 1024;

/// Logs in with what the client presents.
async fn authenticate(
    app: &App,
    request: &HttpRequest,
    id: &InstanceId,
    credentials: Credentials,
) -> Result<LogIn, Error> {
    let address = client_address(request, app.behind_proxy);
    match credentials {
        Credentials::Password { user, password } => {
            app.service.log_in_with_password(id, &user, password, address).await
        }
        Credentials::Token(token) => app.service.log_in_with_token(id, &token, address).await,
    }
}

/// `DELETE` on `token`: revokes the token that is presented.
#[utoipa::path(
    delete,
    path = "/private/token",
    operation_id = "log_out",
    tag = openapi::ACCESS_TOKENS,
    summary = "Revoke the access token that is presented",
    security(("access_token" = [])),
    responses((status = 204, description = "The access token is revoked."))
)]
pub(crate) async fn log_out(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let id = instance::of(&request).ok_or(Error::InstanceUnknown)?;
    let token = access_token(&request);
    let address = client_address(&request, app.behind_proxy);
    let logged_out = app.service.log_out(&id, token.as_ref(), address).await;
    instance::known(&request, &id, logged_out).map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on `tokens`: lists the access tokens, newest first if nothing else is asked for.
#[utoipa::path(
    get,
    path = "/private/tokens",
    operation_id = "list_access_tokens",
    tag = openapi::ACCESS_TOKENS,
    summary = "List the access tokens",
    description = "Expired ones included, without their secrets.",
    security(("access_token" = [])),
    params(
        (
            "limit" = Option<i64>,
            Query,
            description = "How many at the most, up to 1024: in ascending order of their serials, or \
                           if negative in descending order; -20 if absent."
        ),
        (
            "offset" = Option<u64>,
            Query,
            description = "The serial to begin after, or if `limit` is negative, before.",
            format = "uint64",
            maximum = 18_446_744_073_709_551_615_u64
        ),
    ),
    responses(
        (status = 200, description = "The access tokens.", body = TokenInfos),
        (status = 204, description = "There are none."),
        (status = 400, description = "A parameter is malformed (26).", body = ErrorDetail),
    )
)]
pub(crate) async fn list(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app, &request, Permission::TokensRead).await?;
    let (page, limit) = page(&Query::of(&request))?;
    let tokens = app.service.list_access_tokens(&grant, page, limit).await?;
    if tokens.is_empty() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let tokens = tokens.iter().map(TokenInfo::from).collect();
    Ok(HttpResponse::Ok().json(TokenInfos { tokens }))
}

/// `DELETE` on one of `tokens`: revokes it.
#[utoipa::path(
    delete,
    path = "/private/tokens/{serial}",
    operation_id = "revoke_access_token",
    tag = openapi::ACCESS_TOKENS,
    summary = "Revoke an access token",
    security(("access_token" = [])),
    params(("serial" = i64, Path, description = "The number of the access token.", minimum = 1)),
    responses(
        (status = 204, description = "The access token is revoked."),
        (status = 400, description = "The serial is malformed (26).", body = ErrorDetail),
        (
            status = 404,
            description = "The instance is unknown (2000) or deleted (2016), or has no such access \
                           token (41).",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn revoke(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app, &request, Permission::TokensWrite).await?;
    let serial = instance::last_segment(&request)
        .and_then(|segment| segment.parse().ok())
        .and_then(|number| AccessTokenSerial::new(number).ok())
        .ok_or(HttpError::Parameter("serial"))?;
    app.service.revoke_access_token(&grant, serial).await.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// The page of a list that `limit` and `offset` ask for, and how many tokens it has at the most.
///
/// A negative limit goes down from the offset; both do not include it.
fn page(query: &Query) -> Result<(AccessTokenPage, u16), HttpError> {
    const DEFAULT_LIMIT: i64 = -20;
    const LARGEST_LIMIT: u64 = 1024;
    let limit = query.integer("limit")?.unwrap_or(DEFAULT_LIMIT);
    let offset = query.number("offset")?.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
    let page = match limit {
        0.. => AccessTokenPage::After(offset.unwrap_or(0)),
        _ => AccessTokenPage::Before(offset.unwrap_or(i64::MAX)),
    };
    let limit = limit.unsigned_abs().min(LARGEST_LIMIT);
    Ok((page, u16::try_from(limit).unwrap_or(u16::MAX)))
}

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

/// Access tokens of an instance.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenInfos<'a> {
    /// The access tokens.
    tokens: Vec<TokenInfo<'a>>,
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
