//! `[/instances/$INSTANCE]/private/token` and `…/private/tokens[/$SERIAL]`: log-in and its tokens

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::{AccessTokenPage, Error, LogIn, NewAccessToken, StoredAccessToken};
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenSerial, InstanceId, Permission, TokenScope,
};
use serde::Serialize;

use crate::client_address::client_address;
use crate::credentials::{Credentials, access_token};
use crate::error::HttpError;
use crate::json_object::{JsonError, JsonObject, Value};
use crate::query::Query;
use crate::routes::App;
use crate::time::{MICROSECONDS, TimestampJson, lifetime};
use crate::{body, instance};

/// `POST` on `token`: makes an access token for whoever has the password or a refreshable token.
pub(crate) async fn log_in(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let id = instance::of(&request).ok_or(Error::InstanceUnknown)?;
    let log_in = instance::known(&request, &id, authenticate(&app, &request, &id).await)?;
    let body = body::read(&request, payload, app.body_limit).await?;
    let new = new_access_token(&body)?;
    let issued = app.service.issue_access_token(&log_in, new).await.map_err(HttpError::Storing)?;
    let token = issued.token.expose();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(
        LoginTokenSuccessResponse {
            token: &token,
            access_token: &token,
            scope: issued.scope.scope.name(),
            expiration: issued.expiration.into(),
            refreshable: issued.scope.refreshable,
        },
    ))
}

/// Logs in with whatever the client presents.
async fn authenticate(app: &App, request: &HttpRequest, id: &InstanceId) -> Result<LogIn, Error> {
    match Credentials::of(request) {
        Some(Credentials::Password { user, password }) => {
            let address = client_address(request, app.behind_proxy);
            app.service.log_in_with_password(id, &user, password, address).await
        }
        Some(Credentials::Token(token)) => app.service.log_in_with_token(id, Some(&token)).await,
        None => app.service.log_in_with_token(id, None).await,
    }
}

/// `DELETE` on `token`: revokes the token that is presented.
pub(crate) async fn log_out(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let id = instance::of(&request).ok_or(Error::InstanceUnknown)?;
    let token = access_token(&request);
    let logged_out = app.service.log_out(&id, token.as_ref()).await;
    instance::known(&request, &id, logged_out).map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on `tokens`: lists the access tokens, newest first if nothing else is asked for.
pub(crate) async fn list(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app.service, &request, Permission::TokensRead).await?;
    let (page, limit) = page(&Query::of(&request))?;
    let tokens = app.service.list_access_tokens(&grant, page, limit).await?;
    if tokens.is_empty() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let tokens = tokens.iter().map(TokenInfo::from).collect();
    Ok(HttpResponse::Ok().json(TokenInfos { tokens }))
}

/// `DELETE` on one of `tokens`: revokes it.
pub(crate) async fn revoke(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app.service, &request, Permission::TokensWrite).await?;
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
    const LIMIT: &str = "limit";
    const DEFAULT_LIMIT: i64 = -20;
    const LARGEST_LIMIT: u64 = 1024;
    let limit = query.integer(LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let offset = query.number("offset")?.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
    let page = match limit {
        0 => return Err(HttpError::Parameter(LIMIT)),
        1.. => AccessTokenPage::After(offset.unwrap_or(0)),
        _ => AccessTokenPage::Before(offset.unwrap_or(i64::MAX)),
    };
    let limit = limit.unsigned_abs().min(LARGEST_LIMIT);
    Ok((page, u16::try_from(limit).unwrap_or(u16::MAX)))
}

/// `LoginTokenSuccessResponse` of the protocol.
#[derive(Serialize)]
struct LoginTokenSuccessResponse<'a> {
    /// The name that the token had before v19.
    token: &'a str,
    access_token: &'a str,
    scope: &'static str,
    expiration: TimestampJson,
    refreshable: bool,
}

/// `TokenInfos` of the protocol.
#[derive(Serialize)]
struct TokenInfos<'a> {
    tokens: Vec<TokenInfo<'a>>,
}

/// `TokenInfo` of the protocol.
#[derive(Serialize)]
struct TokenInfo<'a> {
    creation_time: TimestampJson,
    expiration: TimestampJson,
    scope: &'static str,
    refreshable: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
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

/// Reads a `LoginTokenRequest`.
fn new_access_token(json: &[u8]) -> Result<NewAccessToken, JsonError> {
    let known = &[SCOPE, DURATION, DESCRIPTION, REFRESHABLE, MICROSECONDS];
    let mut request = JsonObject::parse(json, known)?;
    let mut scope = TokenScope::parse(&request.text(SCOPE)?).map_err(JsonError::refused(SCOPE))?;
    // What the suffix of the scope said before v19.
    if let Some(refreshable) = request.take(REFRESHABLE) {
        scope.refreshable |= refreshable.boolean(REFRESHABLE)?;
    }
    let duration = request.take(DURATION).map(|duration| duration.object(DURATION)).transpose()?;
    let lifetime = duration.map(lifetime).transpose()?;
    let description = request.take(DESCRIPTION).as_ref().map(description).transpose()?;
    Ok(NewAccessToken { scope, lifetime, description: description.unwrap_or_default() })
}

fn description(value: &Value) -> Result<AccessTokenDescription, JsonError> {
    AccessTokenDescription::parse(value.text(DESCRIPTION)?).map_err(JsonError::refused(DESCRIPTION))
}
