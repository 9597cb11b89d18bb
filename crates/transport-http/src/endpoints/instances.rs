//! `/management/instances[/$INSTANCE]` and `[/instances/$INSTANCE]/private`: instances themselves

pub(crate) mod wire;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_domain::{Operation, Permission};

use self::wire::{
    InstanceAuthConfigurationMessage, InstanceConfigurationMessage, InstanceReconfigurationMessage,
    InstancesResponse, QueryInstancesResponse,
};
use crate::endpoints::tags;
use crate::error::{ErrorDetail, HttpError};
use crate::extract::authorized::{
    Authorized, AuthorizedToManage, InstancesAuthWrite, InstancesRead, InstancesWrite, WithBody,
};
use crate::extract::query::Query;
use crate::state::State;

const READ: Operation = Operation::Use(Permission::InstancesRead);

/// `POST` on all: makes an instance.
#[utoipa::path(
    post,
    path = "/management/instances",
    operation_id = "add_instance",
    tag = tags::INSTANCES,
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
        (status = 429, description = tags::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn add(
    state: Data<State>,
    WithBody { right, body }: WithBody<AuthorizedToManage<InstancesWrite>>,
) -> Result<HttpResponse, HttpError> {
    let (instance, password) = InstanceConfigurationMessage::read(&body)?.into_instance();
    let added = state.service.add_instance(&right.grant, instance, Some(password)).await;
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
    description = "Deleted ones included, ordered by the bytes of their ids.",
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
    description = "Its name; the other fields are those that clients of the protocol expect, and empty.",
    security(("access_token" = [])),
    responses((status = 200, description = "The instance.", body = QueryInstancesResponse))
)]
pub(crate) async fn show(
    state: Data<State>,
    right: Authorized<InstancesRead>,
) -> Result<HttpResponse, HttpError> {
    let found = state.service.instance(&right.grant).await.map_err(HttpError::during(READ))?;
    Ok(HttpResponse::Ok().json(QueryInstancesResponse::from(&found)))
}

/// `PATCH` on one: gives an instance another name.
#[utoipa::path(
    patch,
    path = "/private",
    operation_id = "change_instance",
    tag = tags::INSTANCES,
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
    state: Data<State>,
    WithBody { right, body }: WithBody<Authorized<InstancesWrite>>,
) -> Result<HttpResponse, HttpError> {
    let changed = match InstanceReconfigurationMessage::read(&body)?.name {
        Some(name) => state.service.rename_instance(&right.grant, &name).await,
        None => state.service.find_instance(right.grant.instance().as_str()).await,
    };
    changed.map_err(HttpError::during(Operation::RenameInstance))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: deletes an instance, or with `purge=YES` removes all there is of it.
#[utoipa::path(
    delete,
    path = "/private",
    operation_id = "remove_instance",
    tag = tags::INSTANCES,
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
        (status = 429, description = tags::TOO_MANY_PASSWORDS, body = ErrorDetail),
    )
)]
pub(crate) async fn set_password(
    state: Data<State>,
    WithBody { right, body }: WithBody<Authorized<InstancesAuthWrite>>,
) -> Result<HttpResponse, HttpError> {
    let auth = InstanceAuthConfigurationMessage::read(&body)?;
    let set = state.service.set_password(&right.grant, auth.password).await;
    set.map_err(HttpError::during(Operation::SetPassword))?;
    Ok(HttpResponse::NoContent().finish())
}
