//! `/management/instances[/$INSTANCE]` and `[/instances/$INSTANCE]/private`: instances themselves

use std::collections::BTreeMap;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::{Error, Grant};
use merchant_otp_domain::{Instance, InstanceId, InstanceName, Password, Permission};
use serde::Serialize;

use crate::error::HttpError;
use crate::json_object::{JsonError, JsonObject};
use crate::query::Query;
use crate::routes::App;
use crate::{body, instance};

/// `POST` on all: makes an instance.
pub(crate) async fn add(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize_management(&app, &request, Permission::InstancesWrite).await?;
    let body = body::read(&request, payload, app.body_limit).await?;
    let (new, password) = new_instance(&body)?;
    app.service.add_instance(&grant, new, Some(password)).await.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on all: lists the instances.
pub(crate) async fn list(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize_management(&app, &request, Permission::InstancesRead).await?;
    let all = app.service.list_instances(&grant).await?;
    let instances = all
        .iter()
        .map(|listed| InstanceEntry {
            id: listed.instance.id.as_str(),
            name: listed.instance.name.as_str(),
            merchant_pub: NO_KEY,
            payment_targets: [],
            deleted: listed.deleted,
        })
        .collect();
    Ok(HttpResponse::Ok().json(InstancesResponse { instances }))
}

/// `GET` on one: shows an instance.
pub(crate) async fn show(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = grant(&app, &request, Permission::InstancesRead).await?;
    let found = app.service.instance(&grant).await?;
    Ok(HttpResponse::Ok().json(QueryInstancesResponse {
        name: found.name.as_str(),
        merchant_pub: NO_KEY,
        address: BTreeMap::new(),
        jurisdiction: BTreeMap::new(),
        use_stefan: false,
        default_pay_delay: NoTime { d_us: 0 },
        default_refund_delay: NoTime { d_us: 0 },
        default_wire_transfer_delay: NoTime { d_us: 0 },
        auth: AuthMethod { method: TOKEN },
    }))
}

/// `PATCH` on one: gives an instance another name.
pub(crate) async fn change(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let grant = grant(&app, &request, Permission::InstancesWrite).await?;
    let body = body::read(&request, payload, app.body_limit).await?;
    let changed = match new_name(&body)? {
        Some(name) => app.service.rename_instance(&grant, &name).await,
        None => app.service.find_instance(grant.instance()).await,
    };
    changed.map_err(HttpError::ChangingInstance)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: deletes an instance, or with `purge=YES` removes all there is of it.
pub(crate) async fn remove(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let grant = grant(&app, &request, Permission::InstancesWrite).await?;
    let removed = if Query::of(&request).yes("purge")? {
        app.service.purge_instance(&grant).await
    } else {
        app.service.delete_instance(&grant).await
    };
    removed.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST` on `auth` of one: changes the password of an instance.
pub(crate) async fn set_password(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let grant = grant(&app, &request, Permission::InstancesAuthWrite).await?;
    let body = body::read(&request, payload, app.body_limit).await?;
    let auth = JsonObject::parse(&body, &[METHOD, PASSWORD])?;
    let password = password(auth).map_err(HttpError::Auth)?;
    app.service.set_password(&grant, password).await.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// The right to use a permission on the instance of a path: of the instance itself below `/private`, of
/// `admin` below `/management`.
async fn grant(
    app: &App,
    request: &HttpRequest,
    permission: Permission,
) -> Result<Grant, HttpError> {
    // The pattern and not the path, of which the client may have encoded whatever it liked.
    let is_management =
        request.match_pattern().is_some_and(|pattern| pattern.starts_with("/management/"));
    if !is_management {
        return instance::authorize(&app.service, request, permission).await;
    }
    let grant = instance::authorize_management(app, request, permission).await?;
    let id = instance::of(request).ok_or(Error::InstanceUnknown)?;
    Ok(grant.on(id))
}

/// The service signs nothing: it has no key, and clients want a string.
const NO_KEY: &str = "";

/// The one method of authentication.
const TOKEN: &str = "token";

/// `InstancesResponse` of the protocol.
#[derive(Serialize)]
struct InstancesResponse<'a> {
    instances: Vec<InstanceEntry<'a>>,
}

/// `Instance` of the protocol, in a list.
#[derive(Serialize)]
struct InstanceEntry<'a> {
    id: &'a str,
    name: &'a str,
    merchant_pub: &'static str,
    payment_targets: [&'static str; 0],
    deleted: bool,
}

/// `QueryInstancesResponse` of the protocol: what clients look for, though the service has no use for
/// most of it.
#[derive(Serialize)]
struct QueryInstancesResponse<'a> {
    name: &'a str,
    merchant_pub: &'static str,
    address: BTreeMap<&'static str, &'static str>,
    jurisdiction: BTreeMap<&'static str, &'static str>,
    use_stefan: bool,
    default_pay_delay: NoTime,
    default_refund_delay: NoTime,
    default_wire_transfer_delay: NoTime,
    auth: AuthMethod,
}

#[derive(Serialize)]
struct NoTime {
    d_us: u64,
}

#[derive(Serialize)]
struct AuthMethod {
    method: &'static str,
}

const ID: &str = "id";
const NAME: &str = "name";
const AUTH: &str = "auth";
const METHOD: &str = "method";
const PASSWORD: &str = "password";

/// Reads an `InstanceConfigurationMessage`, as far as there is use for it.
fn new_instance(json: &[u8]) -> Result<(Instance, Password), HttpError> {
    let mut message = JsonObject::parse(json, &[ID, NAME, AUTH, METHOD, PASSWORD])?;
    let id = InstanceId::parse(&message.text(ID)?).map_err(JsonError::refused(ID))?;
    let name = InstanceName::parse(message.text(NAME)?.as_str());
    let name = name.map_err(JsonError::refused(NAME))?;
    let auth = message.required(AUTH)?.object(AUTH);
    let password = auth.and_then(password).map_err(HttpError::AuthOfNewInstance)?;
    Ok((Instance { id, name }, password))
}

/// Reads an `InstanceReconfigurationMessage`, as far as there is use for it; a name that is absent or
/// `null` leaves things as they are.
fn new_name(json: &[u8]) -> Result<Option<InstanceName>, JsonError> {
    let mut message = JsonObject::parse(json, &[NAME])?;
    let parse = |text: &str| InstanceName::parse(text).map_err(JsonError::refused(NAME));
    message.take(NAME).map(|name| name.text(NAME).and_then(parse)).transpose()
}

/// Reads an `InstanceAuthConfigurationMessage` (v19): a password, by which clients get their tokens.
fn password(mut auth: JsonObject) -> Result<Password, JsonError> {
    if auth.text(METHOD)?.as_str() != TOKEN {
        return Err(JsonError::Field { name: METHOD, reason: "the method is \"token\"".into() });
    }
    Password::parse(&auth.text(PASSWORD)?).map_err(JsonError::refused(PASSWORD))
}
