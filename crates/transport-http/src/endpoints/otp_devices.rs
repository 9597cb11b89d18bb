//! `[/instances/$INSTANCE]/private/otp-devices[/$DEVICE_ID]`: OTP devices.

pub(crate) mod wire;

use actix_web::body::None as NoBody;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use merchant_otp_application::{Error, OtpDevicePages};
use merchant_otp_domain::{Operation, OtpDeviceId, Permission};
use merchant_otp_transport_kit::Causes;

use self::wire::{OtpDeviceAddDetails, OtpDeviceDetails, OtpDeviceEntry, OtpDevicePatchDetails};
use crate::endpoints::tags;
use crate::error::{ErrorDetail, HttpError};
use crate::extract::authorized::{Authorized, OtpDevicesRead, OtpDevicesWrite, WithBody};
use crate::extract::path;
use crate::extract::query::Query;
use crate::state::State;

const READ: Operation = Operation::Use(Permission::OtpDevicesRead);

/// `POST` on all: registers a device.
#[utoipa::path(
    post,
    path = "/private/otp-devices",
    operation_id = "add_otp_device",
    tag = tags::OTP_DEVICES,
    summary = "Register a device",
    description = "Registering the same details again succeeds and changes nothing.",
    security(("access_token" = [])),
    request_body = OtpDeviceAddDetails,
    responses(
        (status = 204, description = "The device is registered."),
        (
            status = 409,
            description = "A device with this id and other details exists (2851).",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn add(
    state: Data<State>,
    WithBody { right, body }: WithBody<Authorized<OtpDevicesWrite>>,
) -> Result<HttpResponse, HttpError> {
    let device = OtpDeviceAddDetails::read(&body)?.into_device()?;
    let added = state.service.add_otp_device(&right.grant, device).await;
    added.map_err(HttpError::during(Operation::AddOtpDevice))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on all: lists the devices, page by page as the client reads them.
#[utoipa::path(
    get,
    path = "/private/otp-devices",
    operation_id = "list_otp_devices",
    tag = tags::OTP_DEVICES,
    summary = "List the devices",
    description = "Ordered by the bytes of their ids. A long list is streamed.",
    security(("access_token" = [])),
    responses((status = 200, description = "The devices.", body = wire::OtpDeviceSummaryResponse))
)]
pub(crate) async fn list(
    state: Data<State>,
    right: Authorized<OtpDevicesRead>,
) -> Result<HttpResponse, HttpError> {
    let pages = state.service.otp_devices(right.grant).await.map_err(HttpError::during(READ))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).streaming(stream(pages)))
}

/// `HEAD` on all: like `GET`, but reads only the first page.
pub(crate) async fn list_head(
    state: Data<State>,
    right: Authorized<OtpDevicesRead>,
) -> Result<HttpResponse<NoBody>, HttpError> {
    state.service.otp_devices(right.grant).await.map_err(HttpError::during(READ))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).finish().set_body(NoBody::new()))
}

/// `GET` on one: shows a device with its codes.
#[utoipa::path(
    get,
    path = "/private/otp-devices/{device}",
    operation_id = "show_otp_device",
    tag = tags::OTP_DEVICES,
    summary = "Show a device and its codes",
    description = "The key is never returned. The codes depend on the time, and on the price if \
                   the algorithm of the device includes it.",
    security(("access_token" = [])),
    params(
        ("device" = String, Path, description = "The id of the device.", min_length = 1),
        (
            "faketime" = Option<u64>,
            Query,
            description = "The time of the codes, in seconds since the epoch; now if absent.",
            maximum = 9_007_199_254_740_991_u64
        ),
        (
            "price" = Option<String>,
            Query,
            description = "The amount of a payment, such as `EUR:1.50`.",
            pattern = "^[A-Z]{1,11}:[0-9]{1,15}([.][0-9]{1,8})?$"
        ),
    ),
    responses(
        (status = 200, description = "The device.", body = OtpDeviceDetails),
        (status = 400, description = "A parameter is malformed (26).", body = ErrorDetail),
        (status = 404, description = NO_DEVICE, body = ErrorDetail),
    )
)]
pub(crate) async fn show(
    state: Data<State>,
    request: HttpRequest,
    right: Authorized<OtpDevicesRead>,
) -> Result<HttpResponse, HttpError> {
    let query = Query::of(&request);
    let (time, price) = (query.timestamp("faketime")?, query.amount("price")?);
    let id = device_id(&request)?;
    let found = state.service.otp_device(&right.grant, &id, time, price.as_ref()).await;
    let found = found.map_err(HttpError::during(READ))?;
    Ok(HttpResponse::Ok().json(OtpDeviceDetails::from(&found)))
}

/// `PATCH` on one: changes a device.
#[utoipa::path(
    patch,
    path = "/private/otp-devices/{device}",
    operation_id = "change_otp_device",
    tag = tags::OTP_DEVICES,
    summary = "Change a device",
    description = "Fields that are absent or null are not changed. The algorithm cannot be changed.",
    security(("access_token" = [])),
    params(("device" = String, Path, description = "The id of the device.", min_length = 1)),
    request_body = OtpDevicePatchDetails,
    responses(
        (status = 204, description = "The device is changed."),
        (status = 404, description = NO_DEVICE, body = ErrorDetail),
        (
            status = 409,
            description = "The request changes the algorithm, or concurrent requests changed the \
                           device at every attempt (2852). Nothing was changed.",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn change(
    state: Data<State>,
    request: HttpRequest,
    WithBody { right, body }: WithBody<Authorized<OtpDevicesWrite>>,
) -> Result<HttpResponse, HttpError> {
    let id = device_id(&request)?;
    let change = OtpDevicePatchDetails::read(&body)?.into_change();
    let changed = state.service.change_otp_device(&right.grant, &id, change).await;
    changed.map_err(HttpError::during(Operation::ChangeOtpDevice))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: removes a device.
#[utoipa::path(
    delete,
    path = "/private/otp-devices/{device}",
    operation_id = "remove_otp_device",
    tag = tags::OTP_DEVICES,
    summary = "Remove a device",
    security(("access_token" = [])),
    params(("device" = String, Path, description = "The id of the device.", min_length = 1)),
    responses(
        (status = 204, description = "The device is removed."),
        (status = 404, description = NO_DEVICE, body = ErrorDetail),
    )
)]
pub(crate) async fn remove(
    state: Data<State>,
    request: HttpRequest,
    right: Authorized<OtpDevicesWrite>,
) -> Result<HttpResponse, HttpError> {
    let id = device_id(&request)?;
    let removed = state.service.remove_otp_device(&right.grant, &id).await;
    removed.map_err(HttpError::during(Operation::RemoveOtpDevice))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the device id in the last segment of the path. An invalid id is an unknown device.
fn device_id(request: &HttpRequest) -> Result<OtpDeviceId, HttpError> {
    path::last_segment(request)
        .and_then(|segment| OtpDeviceId::parse(segment).ok())
        .ok_or_else(|| HttpError::during(READ)(Error::OtpDeviceUnknown))
}

const NO_DEVICE: &str =
    "The instance is unknown (2000) or deleted (2016), or has no such device (2021).";

/// Streams an `OtpDeviceSummaryResponse` of the protocol, page by page.
///
/// If a page cannot be read, the response is cut off: no client takes it for a complete list.
fn stream(pages: OtpDevicePages) -> impl Stream<Item = Result<Bytes, HttpError>> {
    enum Position {
        Start,
        Between,
        End,
    }
    try_unfold((pages, Position::Start), async |(mut pages, position)| {
        let mut json = match position {
            Position::Start => String::from("{\"otp_devices\":["),
            Position::Between => String::new(),
            Position::End => return Ok(None),
        };
        let page = pages.next().await.map_err(|error| {
            tracing::error!(cause = %Causes(&error), "streaming the device list failed");
            HttpError::during(READ)(error)
        })?;
        let Some(page) = page else {
            json.push_str("]}");
            return Ok(Some((json.into(), (pages, Position::End))));
        };
        let mut is_first = matches!(position, Position::Start);
        for summary in &page {
            if !is_first {
                json.push(',');
            }
            is_first = false;
            json.push_str(&OtpDeviceEntry::from(summary).to_json());
        }
        Ok(Some((json.into(), (pages, Position::Between))))
    })
}
