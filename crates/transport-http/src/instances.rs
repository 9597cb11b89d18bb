//! `/management/instances[/$INSTANCE]` and `[/instances/$INSTANCE]/private`: instances themselves

use std::collections::BTreeMap;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::{Error, Grant};
use merchant_otp_domain::{Instance, InstanceId, InstanceName, Password, Permission};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ErrorDetail, HttpError};
use crate::json_object::{JsonError, JsonObject};
use crate::query::Query;
use crate::routes::App;
use crate::time::RelativeTimeJson;
use crate::{instance, openapi};

/// `POST` on all: makes an instance.
#[utoipa::path(
    post,
    path = "/management/instances",
    operation_id = "add_instance",
    tag = openapi::INSTANCES,
    summary = "Make an instance",
    description = "The same once more is a success, and changes nothing. Of the protocol's \
                   InstanceConfigurationMessage only these fields are kept.",
    security(("access_token" = [])),
    request_body = InstanceConfigurationMessage,
    responses(
        (status = 204, description = "The instance is there."),
        (
            status = 400,
            description = "The body is malformed (22), or its `auth` is (2601).",
            body = ErrorDetail
        ),
        (
            status = 409,
            description = "An instance with this id and another name or password is there (2600), or a \
                           deleted one (2603).",
            body = ErrorDetail
        ),
        (status = 429, description = openapi::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn add(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let write =
        async || instance::authorize_management(&app, &request, Permission::InstancesWrite).await;
    let (grant, body) = instance::authorized_body(&app, &request, payload, write).await?;
    let InstanceConfigurationMessage { id, name, auth } =
        InstanceConfigurationMessage::read(&body)?;
    let added = app.service.add_instance(&grant, Instance { id, name }, Some(auth.password)).await;
    added.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on all: lists the instances.
#[utoipa::path(
    get,
    path = "/management/instances",
    operation_id = "list_instances",
    tag = openapi::INSTANCES,
    summary = "List the instances",
    description = "Deleted ones included, ordered by the bytes of their ids.",
    security(("access_token" = [])),
    responses((status = 200, description = "The instances.", body = InstancesResponse))
)]
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
#[utoipa::path(
    get,
    path = "/private",
    operation_id = "show_instance",
    tag = openapi::INSTANCES,
    summary = "Show an instance",
    description = "Its name; the other fields are those that clients of the protocol expect, and empty.",
    security(("access_token" = [])),
    responses((status = 200, description = "The instance.", body = QueryInstancesResponse))
)]
pub(crate) async fn show(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = grant(&app, &request, Permission::InstancesRead).await?;
    let found = app.service.instance(&grant).await?;
    Ok(HttpResponse::Ok().json(QueryInstancesResponse {
        name: found.name.as_str(),
        merchant_pub: NO_KEY,
        address: BTreeMap::new(),
        jurisdiction: BTreeMap::new(),
        use_stefan: false,
        default_pay_delay: RelativeTimeJson::ZERO,
        default_refund_delay: RelativeTimeJson::ZERO,
        default_wire_transfer_delay: RelativeTimeJson::ZERO,
        auth: AuthMethod { method: TOKEN },
    }))
}

/// `PATCH` on one: gives an instance another name.
#[utoipa::path(
    patch,
    path = "/private",
    operation_id = "change_instance",
    tag = openapi::INSTANCES,
    summary = "Rename an instance",
    description = "Of the protocol's InstanceReconfigurationMessage only this field is kept; if it is \
                   absent or null, the name stays as it is.",
    security(("access_token" = [])),
    request_body = InstanceReconfigurationMessage,
    responses(
        (status = 204, description = "The instance has the name."),
        (status = 409, description = "The instance was deleted (2625).", body = ErrorDetail),
    )
)]
pub(crate) async fn change(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let write = async || grant(&app, &request, Permission::InstancesWrite).await;
    let (grant, body) = instance::authorized_body(&app, &request, payload, write).await?;
    let changed = match InstanceReconfigurationMessage::read(&body)?.name {
        Some(name) => app.service.rename_instance(&grant, &name).await,
        None => app.service.find_instance(grant.instance()).await,
    };
    changed.map_err(HttpError::ChangingInstance)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: deletes an instance, or with `purge=YES` removes all there is of it.
#[utoipa::path(
    delete,
    path = "/private",
    operation_id = "remove_instance",
    tag = openapi::INSTANCES,
    summary = "Delete or purge an instance",
    description = "An instance that is deleted keeps its id and its devices, and is of no use until it \
                   is purged: by `admin`, below /management.",
    security(("access_token" = [])),
    params((
        "purge" = Option<String>,
        Query,
        description = "`YES` to remove all there is of the instance.",
        pattern = "^(YES|NO)$"
    )),
    responses(
        (status = 204, description = "The instance is deleted, or purged."),
        (status = 400, description = "A parameter is malformed (26).", body = ErrorDetail),
    )
)]
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
#[utoipa::path(
    post,
    path = "/private/auth",
    operation_id = "set_password",
    tag = openapi::INSTANCES,
    summary = "Change the password of an instance",
    description = "Access tokens that were made before stay valid.",
    security(("access_token" = [])),
    request_body = InstanceAuthConfigurationMessage,
    responses(
        (status = 204, description = "The instance has the password."),
        (
            status = 400,
            description = "The body is malformed (22), or not the authentication that is expected \
                           (2602).",
            body = ErrorDetail
        ),
        (status = 429, description = openapi::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn set_password(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let write = async || grant(&app, &request, Permission::InstancesAuthWrite).await;
    let (grant, body) = instance::authorized_body(&app, &request, payload, write).await?;
    let auth = JsonObject::parse(&body, &[METHOD, PASSWORD])?;
    let auth = InstanceAuthConfigurationMessage::of(auth).map_err(HttpError::Auth)?;
    app.service.set_password(&grant, auth.password).await.map_err(HttpError::Storing)?;
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
        return instance::authorize(app, request, permission).await;
    }
    let grant = instance::authorize_management(app, request, permission).await?;
    let id = instance::of(request).ok_or(Error::InstanceUnknown)?;
    Ok(grant.on(id))
}

/// The service signs nothing: it has no key, and clients want a string.
const NO_KEY: &str = "";

/// The one method of authentication.
const TOKEN: &str = "token";

/// The instances.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstancesResponse<'a> {
    /// The instances.
    instances: Vec<InstanceEntry<'a>>,
}

/// An instance in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Instance)]
pub(crate) struct InstanceEntry<'a> {
    /// Its name in URLs.
    id: &'a str,
    /// Its name for people.
    name: &'a str,
    /// Empty: the service has no keys.
    merchant_pub: &'static str,
    /// Empty: the service takes no payments.
    #[schema(value_type = Vec<String>)]
    payment_targets: [&'static str; 0],
    /// Whether it is deleted: kept, and of no use until it is purged.
    deleted: bool,
}

/// An instance, as far as the service knows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueryInstancesResponse<'a> {
    /// Its name for people.
    name: &'a str,
    /// Empty: the service has no keys.
    merchant_pub: &'static str,
    /// Empty.
    #[schema(value_type = Object)]
    address: BTreeMap<&'static str, &'static str>,
    /// Empty.
    #[schema(value_type = Object)]
    jurisdiction: BTreeMap<&'static str, &'static str>,
    /// Never.
    use_stefan: bool,
    /// None.
    default_pay_delay: RelativeTimeJson,
    /// None.
    default_refund_delay: RelativeTimeJson,
    /// None.
    default_wire_transfer_delay: RelativeTimeJson,
    /// How its clients log in.
    auth: AuthMethod,
}

/// How the clients of an instance log in.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuthMethod {
    /// By a password, for which they get tokens.
    method: &'static str,
}

const ID: &str = "id";
const NAME: &str = "name";
const AUTH: &str = "auth";
const METHOD: &str = "method";
const PASSWORD: &str = "password";

/// An instance that is to be made.
#[derive(ToSchema)]
pub(crate) struct InstanceConfigurationMessage {
    /// Its name in URLs.
    #[schema(
        value_type = String,
        min_length = 2,
        max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.@-]+$"
    )]
    id: InstanceId,
    /// Its name for people: 1 to 1024 bytes without control characters.
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 1024,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    name: InstanceName,
    /// How its clients log in.
    auth: InstanceAuthConfigurationMessage,
}

impl InstanceConfigurationMessage {
    pub(crate) fn read(json: &[u8]) -> Result<Self, HttpError> {
        let mut message = JsonObject::parse(json, &[ID, NAME, AUTH, METHOD, PASSWORD])?;
        let id = InstanceId::parse(&message.text(ID)?).map_err(JsonError::refused(ID))?;
        let name = InstanceName::parse(message.text(NAME)?.as_str());
        let name = name.map_err(JsonError::refused(NAME))?;
        let auth = message.required(AUTH)?.object(AUTH);
        let auth = auth.and_then(InstanceAuthConfigurationMessage::of);
        Ok(Self { id, name, auth: auth.map_err(HttpError::AuthOfNewInstance)? })
    }
}

/// What is to be different about an instance.
#[derive(ToSchema)]
pub(crate) struct InstanceReconfigurationMessage {
    /// Its name for people.
    #[schema(
        value_type = Option<String>,
        min_length = 1,
        max_length = 1024,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    name: Option<InstanceName>,
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
    /// `token`: by a password, for which they get tokens.
    #[schema(value_type = String, pattern = "^token$")]
    #[expect(dead_code, reason = "there is one method")]
    method: (),
    /// The password: 1 to 1024 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 1024)]
    password: Password,
}

impl InstanceAuthConfigurationMessage {
    fn of(mut auth: JsonObject) -> Result<Self, JsonError> {
        if auth.text(METHOD)?.as_str() != TOKEN {
            let reason = "the method is \"token\"".into();
            return Err(JsonError::Field { name: METHOD, reason });
        }
        let password = Password::parse(&auth.text(PASSWORD)?);
        Ok(Self { method: (), password: password.map_err(JsonError::refused(PASSWORD))? })
    }
}
