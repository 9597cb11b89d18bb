//! `[/instances/$INSTANCE]/private/token` and `…/private/tokens[/$SERIAL]`: access tokens.

pub(crate) mod wire;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::AccessTokenPage;
use merchant_otp_domain::{AccessTokenSerial, Operation, Permission};

use self::wire::{LoginTokenRequest, LoginTokenSuccessResponse, TokenInfos};
use crate::endpoints::tags;
use crate::error::{ErrorDetail, HttpError};
use crate::extract::authorized::{Authorized, TokensRead, TokensWrite};
use crate::extract::logged_in::LoggedIn;
use crate::extract::path;
use crate::extract::presented::{note_instance, presented};
use crate::extract::query::Query;
use crate::state::State;

/// `POST` on `token`: issues an access token for a password or a refreshable token.
#[utoipa::path(
    post,
    path = "/private/token",
    operation_id = "log_in",
    tag = tags::ACCESS_TOKENS,
    summary = "Issue an access token",
    description = "The client presents the password of the instance (Basic, with the id of the \
                   instance as the user name), or a refreshable access token whose scope covers \
                   that of the new one.",
    security(("password" = []), ("access_token" = [])),
    request_body = LoginTokenRequest,
    responses(
        (status = 200, description = "The access token.", body = LoginTokenSuccessResponse),
        (
            status = 403,
            description = "The scope exceeds that of the presented token (16), or the instance has \
                           too many valid access tokens (44).",
            body = ErrorDetail
        ),
        (
            status = 429,
            description = "Too many log-ins failed, or too many passwords are being hashed (2015). \
                           `Retry-After` is the time to wait.",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn log_in(
    state: Data<State>,
    LoggedIn { log_in, body }: LoggedIn,
) -> Result<HttpResponse, HttpError> {
    let new = LoginTokenRequest::read(&body)?.into_new_access_token();
    let issued = state.service.issue_access_token(&log_in, new).await;
    let issued = issued.map_err(HttpError::during(Operation::IssueAccessToken))?;
    let token = issued.token.expose();
    Ok(HttpResponse::Ok().json(LoginTokenSuccessResponse::new(&token, &issued)))
}

/// `DELETE` on `token`: revokes the presented token.
#[utoipa::path(
    delete,
    path = "/private/token",
    operation_id = "log_out",
    tag = tags::ACCESS_TOKENS,
    summary = "Revoke the presented access token",
    security(("access_token" = [])),
    responses((status = 204, description = "The access token is revoked."))
)]
pub(crate) async fn log_out(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let presented = presented(&state, &request);
    let logged_out = state.service.log_out(presented).await;
    note_instance(&request, presented.instance, logged_out)
        .map_err(HttpError::during_authorization(Operation::RevokeAccessToken, &request))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on `tokens`: lists the access tokens, newest first by default.
#[utoipa::path(
    get,
    path = "/private/tokens",
    operation_id = "list_access_tokens",
    tag = tags::ACCESS_TOKENS,
    summary = "List the access tokens",
    description = "Includes expired access tokens. Secrets are not returned.",
    security(("access_token" = [])),
    params(
        (
            "limit" = Option<i64>,
            Query,
            description = "The maximum number of access tokens, up to 1024: in ascending order of \
                           their serials if positive, in descending order if negative; -20 if \
                           absent."
        ),
        (
            "offset" = Option<u64>,
            Query,
            description = "The list begins after this serial or, if `limit` is negative, before \
                           it.",
            format = "uint64",
            maximum = 18_446_744_073_709_551_615_u64
        ),
    ),
    responses(
        (status = 200, description = "The access tokens.", body = TokenInfos),
        (status = 204, description = "The requested page is empty."),
        (status = 400, description = "A parameter is malformed (26).", body = ErrorDetail),
    )
)]
pub(crate) async fn list(
    state: Data<State>,
    request: HttpRequest,
    right: Authorized<TokensRead>,
) -> Result<HttpResponse, HttpError> {
    let (page, limit) = page(&Query::of(&request))?;
    let tokens = state.service.list_access_tokens(&right.grant, page, limit).await;
    let tokens = tokens.map_err(HttpError::during(Operation::Use(Permission::TokensRead)))?;
    if tokens.is_empty() {
        return Ok(HttpResponse::NoContent().finish());
    }
    Ok(HttpResponse::Ok().json(TokenInfos::from(&*tokens)))
}

/// `DELETE` on one of `tokens`: revokes it.
#[utoipa::path(
    delete,
    path = "/private/tokens/{serial}",
    operation_id = "revoke_access_token",
    tag = tags::ACCESS_TOKENS,
    summary = "Revoke an access token",
    security(("access_token" = [])),
    params(("serial" = i64, Path, description = "The serial of the access token.", minimum = 1)),
    responses(
        (status = 204, description = "The access token is revoked."),
        (status = 400, description = "The serial is malformed (26).", body = ErrorDetail),
        (
            status = 404,
            description = "The instance is unknown (2000) or deleted (2016), or has no such access \
                           token (2042).",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn revoke(
    state: Data<State>,
    request: HttpRequest,
    right: Authorized<TokensWrite>,
) -> Result<HttpResponse, HttpError> {
    let serial = path::last_segment(&request)
        .and_then(|segment| segment.parse().ok())
        .and_then(|number| AccessTokenSerial::new(number).ok())
        .ok_or_else(|| HttpError::Parameter {
            name: "serial",
            reason: "must be an integer from 1 to 2^63 - 1".to_owned(),
        })?;
    let revoked = state.service.revoke_access_token(&right.grant, serial).await;
    revoked.map_err(HttpError::during(Operation::RevokeAccessToken))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the page that `limit` and `offset` request, and its maximum number of tokens.
///
/// A negative limit lists downwards from the offset. The offset itself is always excluded.
fn page(query: &Query) -> Result<(AccessTokenPage, u16), HttpError> {
    const DEFAULT_LIMIT: i64 = -20;
    const MAX_LIMIT: u64 = 1024;
    let limit = query.integer("limit")?.unwrap_or(DEFAULT_LIMIT);
    let offset = query.number("offset")?.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
    let page = match limit {
        0.. => AccessTokenPage::After(offset.unwrap_or(0)),
        _ => AccessTokenPage::Before(offset.unwrap_or(i64::MAX)),
    };
    let limit = limit.unsigned_abs().min(MAX_LIMIT);
    Ok((page, u16::try_from(limit).unwrap_or(u16::MAX)))
}
