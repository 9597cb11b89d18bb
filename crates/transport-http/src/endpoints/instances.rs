//! `/management/instances[/$INSTANCE]` and `[/instances/$INSTANCE]/private`: instances.

mod settings;
pub(crate) mod wire;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_application::ManagementGrant;
use merchant_otp_domain::{Operation, Permission};

use self::wire::{
    InstanceAuthConfigurationMessage, InstanceConfigurationMessage, InstanceReconfigurationMessage,
    InstancesResponse, QueryInstancesResponse, QueryInstancesResponseSchema,
};
use crate::endpoints::tags;
use crate::error::{ErrorDetail, HttpError};
use crate::extract::authorized::{
    Authorized, AuthorizedToManage, AuthorizedToProvision, InstancesAuthWrite, InstancesRead,
    InstancesWrite, WithBody,
};
use crate::extract::query::Query;
use crate::state::State;

const READ: Operation = Operation::Use(Permission::InstancesRead);

/// `POST` on all: creates an instance.
#[utoipa::path(
    post,
    path = "/management/instances",
    operation_id = "add_instance",
    tag = tags::INSTANCES,
    summary = "Create an instance",
    description = "Creating the same instance again succeeds and changes nothing. The settings of \
                   the protocol are stored for clients; the service does not use them.",
    security(("access_token" = [])),
    request_body = InstanceConfigurationMessage,
    responses(
        (status = 204, description = "The instance exists."),
        (
            status = 400,
            description = "The body is malformed (22), or its `auth` is malformed (2601).",
            body = ErrorDetail
        ),
        (
            status = 409,
            description = "An instance with this id and another name, password or settings exists \
                           (2600), or a deleted instance has this id (2603).",
            body = ErrorDetail
        ),
        (status = 429, description = tags::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn add(
    state: Data<State>,
    WithBody { right, body }: WithBody<AuthorizedToManage<InstancesWrite>>,
) -> Result<HttpResponse, HttpError> {
    add_instance(&state, &right.grant, &body).await
}

/// `POST` on `/instances`: creates an instance.
#[utoipa::path(
    post,
    path = "/instances",
    operation_id = "provision_instance",
    tag = tags::INSTANCES,
    summary = "Create an instance (self-provisioning)",
    description = "Like `POST /management/instances`, for clients that expect a backend with \
                   self-provisioning. This service requires a token of `admin`.",
    security(("access_token" = [])),
    request_body = InstanceConfigurationMessage,
    responses(
        (status = 204, description = "The instance exists."),
        (
            status = 400,
            description = "The body is malformed (22), or its `auth` is malformed (2601).",
            body = ErrorDetail
        ),
        (
            status = 403,
            description = "The client may not create instances (2015).",
            body = ErrorDetail
        ),
        (
            status = 409,
            description = "An instance with this id and another name, password or settings exists \
                           (2600), or a deleted instance has this id (2603).",
            body = ErrorDetail
        ),
        (status = 429, description = tags::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn provision(
    state: Data<State>,
    WithBody { right, body }: WithBody<AuthorizedToProvision>,
) -> Result<HttpResponse, HttpError> {
    add_instance(&state, &right.grant, &body).await
}

async fn add_instance(
    state: &State,
    grant: &ManagementGrant,
    body: &[u8],
) -> Result<HttpResponse, HttpError> {
    let (instance, password) = InstanceConfigurationMessage::read(body)?.into_instance();
    let added = state.service.add_instance(grant, instance, Some(password)).await;
    added.map_err(HttpError::during(Operation::AddInstance))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on all: lists the instances.
#[utoipa::path(
    get,
    path = "/management/instances",
    operation_id = "list_instances",
    tag = tags::INSTANCES,
    summary = "List the instances",
    description = "Includes deleted instances. Ordered by the bytes of their ids.",
    security(("access_token" = [])),
    responses((status = 200, description = "The instances.", body = InstancesResponse))
)]
pub(crate) async fn list(
    state: Data<State>,
    right: AuthorizedToManage<InstancesRead>,
) -> Result<HttpResponse, HttpError> {
    let all = state.service.list_instances(&right.grant).await.map_err(HttpError::during(READ))?;
    Ok(HttpResponse::Ok().json(InstancesResponse::from(&*all)))
}

/// `GET` on one: shows an instance.
#[utoipa::path(
    get,
    path = "/private",
    operation_id = "show_instance",
    tag = tags::INSTANCES,
    summary = "Show an instance",
    description = "Returns the name, and the settings as clients wrote them. Settings that clients \
                   of the protocol require have default values.",
    security(("access_token" = [])),
    responses((status = 200, description = "The instance.", body = QueryInstancesResponseSchema))
)]
pub(crate) async fn show(
    state: Data<State>,
    right: Authorized<InstancesRead>,
) -> Result<HttpResponse, HttpError> {
    let found = state.service.instance(&right.grant).await.map_err(HttpError::during(READ))?;
    Ok(HttpResponse::Ok().json(QueryInstancesResponse(&found)))
}

/// `PATCH` on one: changes the name and the settings of an instance.
#[utoipa::path(
    patch,
    path = "/private",
    operation_id = "change_instance",
    tag = tags::INSTANCES,
    summary = "Change an instance",
    description = "Fields that are absent or null are not changed.",
    security(("access_token" = [])),
    request_body = InstanceReconfigurationMessage,
    responses(
        (status = 204, description = "The instance is changed."),
        (status = 409, description = "The instance was deleted (2625).", body = ErrorDetail),
    )
)]
pub(crate) async fn change(
    state: Data<State>,
    WithBody { right, body }: WithBody<Authorized<InstancesWrite>>,
) -> Result<HttpResponse, HttpError> {
    let change = InstanceReconfigurationMessage::read(&body)?.into_change();
    let changed = state.service.change_instance(&right.grant, &change).await;
    changed.map_err(HttpError::during(change.operation()))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: deletes an instance; removes it with its data if `purge` is `YES`.
#[utoipa::path(
    delete,
    path = "/private",
    operation_id = "remove_instance",
    tag = tags::INSTANCES,
    summary = "Delete or purge an instance",
    description = "A deleted instance keeps its id and its devices, but cannot be used. After \
                   that, only `admin` can purge it, below /management.",
    security(("access_token" = [])),
    params((
        "purge" = Option<String>,
        Query,
        description = "`YES` to remove the instance with its devices and access tokens.",
        pattern = "^(YES|NO)$"
    )),
    responses(
        (status = 204, description = "The instance is deleted or purged."),
        (status = 400, description = "A parameter is malformed (26).", body = ErrorDetail),
    )
)]
pub(crate) async fn remove(
    state: Data<State>,
    request: HttpRequest,
    right: Authorized<InstancesWrite>,
) -> Result<HttpResponse, HttpError> {
    if Query::of(&request).yes("purge")? {
        let purged = state.service.purge_instance(&right.grant).await;
        purged.map_err(HttpError::during(Operation::PurgeInstance))?;
    } else {
        let deleted = state.service.delete_instance(&right.grant).await;
        deleted.map_err(HttpError::during(Operation::DeleteInstance))?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// `POST` on `auth` of one: changes the password of an instance.
#[utoipa::path(
    post,
    path = "/private/auth",
    operation_id = "set_password",
    tag = tags::INSTANCES,
    summary = "Change the password of an instance",
    description = "Access tokens that were issued before stay valid.",
    security(("access_token" = [])),
    request_body = InstanceAuthConfigurationMessage,
    responses(
        (status = 204, description = "The password is changed."),
        (
            status = 400,
            description = "The body is malformed (22), or it is not a password with the method \
                           `token` (2602).",
            body = ErrorDetail
        ),
        (status = 429, description = tags::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn set_password(
    state: Data<State>,
    WithBody { right, body }: WithBody<Authorized<InstancesAuthWrite>>,
) -> Result<HttpResponse, HttpError> {
    let auth = InstanceAuthConfigurationMessage::read(&body)?;
    let set = state.service.set_password(&right.grant, auth.into_change()).await;
    set.map_err(HttpError::during(Operation::SetPassword))?;
    Ok(HttpResponse::NoContent().finish())
}
