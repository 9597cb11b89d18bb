//! `[/instances/$INSTANCE]/private/otp-devices[/$DEVICE_ID]`

pub(crate) mod bodies;

use std::sync::Arc;

use actix_web::body::None as NoBody;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use merchant_otp_application::{Error, Grant, Service};
use merchant_otp_domain::{OtpDeviceId, OtpDeviceSummary, Permission};
use serde::Serialize;
use utoipa::ToSchema;

use self::bodies::{OtpDeviceAddDetails, OtpDevicePatchDetails};
use crate::error::{ErrorDetail, HttpError};
use crate::query::Query;
use crate::routes::App;
use crate::{instance, openapi};

/// `POST` on all: registers a device.
#[utoipa::path(
    post,
    path = "/private/otp-devices",
    operation_id = "add_otp_device",
    tag = openapi::OTP_DEVICES,
    summary = "Register a device",
    description = "The same details once more are a success, and change nothing.",
    security(("access_token" = [])),
    request_body = OtpDeviceAddDetails,
    responses(
        (status = 204, description = "The device is registered."),
        (
            status = 409,
            description = "A device with this id and other details is there (2851).",
            body = ErrorDetail
        ),
    )
)]
pub(crate) async fn add(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let write = async || instance::authorize(&app, &request, Permission::OtpDevicesWrite).await;
    let (grant, body) = instance::authorized_body(&app, &request, payload, write).await?;
    let device = OtpDeviceAddDetails::read(&body)?.into_device()?;
    app.service.add_otp_device(&grant, device).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on all: lists the devices, page by page as the client takes them.
#[utoipa::path(
    get,
    path = "/private/otp-devices",
    operation_id = "list_otp_devices",
    tag = openapi::OTP_DEVICES,
    summary = "List the devices",
    description = "Ordered by the bytes of their ids. A long list is sent while it is read.",
    security(("access_token" = [])),
    responses((status = 200, description = "The devices.", body = OtpDeviceSummaryResponse))
)]
pub(crate) async fn list(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app, &request, Permission::OtpDevicesRead).await?;
    // The first page comes before the status, so that a database that is down is told.
    let first = app.service.list_otp_devices(&grant, None).await?;
    let pages = pages(Arc::clone(&app.service), grant, first);
    Ok(HttpResponse::Ok().content_type(ContentType::json()).streaming(pages))
}

/// `HEAD` on all: as `GET`, without reading on.
pub(crate) async fn list_head(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse<NoBody>, HttpError> {
    let grant = instance::authorize(&app, &request, Permission::OtpDevicesRead).await?;
    app.service.list_otp_devices(&grant, None).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).finish().set_body(NoBody::new()))
}

/// `GET` on one: shows a device with its codes.
#[utoipa::path(
    get,
    path = "/private/otp-devices/{device}",
    operation_id = "show_otp_device",
    tag = openapi::OTP_DEVICES,
    summary = "Show a device and its codes",
    description = "Its key is never told. The codes are those of a time, and for a device that hashes \
                   the price in, of a price.",
    security(("access_token" = [])),
    params(
        ("device" = String, Path, description = "The id of the device.", min_length = 1),
        (
            "faketime" = Option<u64>,
            Query,
            description = "Another time than now, in seconds since the epoch.",
            maximum = 9_007_199_254_740_991_u64
        ),
        (
            "price" = Option<String>,
            Query,
            description = "The price of a payment.",
            pattern = "^[A-Z]{1,11}:[0-9]{1,15}([.][0-9]{1,8})?$"
        ),
    ),
    responses(
        (status = 200, description = "The device.", body = OtpDeviceDetails),
        (status = 400, description = "A parameter is malformed (26).", body = ErrorDetail),
        (status = 404, description = NO_DEVICE, body = ErrorDetail),
    )
)]
pub(crate) async fn show(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app, &request, Permission::OtpDevicesRead).await?;
    let query = Query::of(&request);
    let (time, price) = (query.timestamp("faketime")?, query.amount("price")?);
    let id = device_id(&request)?;
    let found = app.service.otp_device(&grant, &id, time, price.as_ref()).await?;
    Ok(HttpResponse::Ok().json(OtpDeviceDetails {
        device_description: found.device.description().as_str(),
        otp_algorithm: found.device.algorithm().number(),
        otp_ctr: found.device.counter().value(),
        otp_timestamp: found.time.seconds(),
        otp_code: found.codes.map(|codes| codes.to_string()),
    }))
}

/// `PATCH` on one: changes a device.
#[utoipa::path(
    patch,
    path = "/private/otp-devices/{device}",
    operation_id = "change_otp_device",
    tag = openapi::OTP_DEVICES,
    summary = "Change a device",
    description = "What is absent or null stays as it is.",
    security(("access_token" = [])),
    params(("device" = String, Path, description = "The id of the device.", min_length = 1)),
    request_body = OtpDevicePatchDetails,
    responses(
        (status = 204, description = "The device is changed."),
        (status = 404, description = NO_DEVICE, body = ErrorDetail),
    )
)]
pub(crate) async fn change(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let write = async || instance::authorize(&app, &request, Permission::OtpDevicesWrite).await;
    let (grant, body) = instance::authorized_body(&app, &request, payload, write).await?;
    let id = device_id(&request)?;
    let change = OtpDevicePatchDetails::read(&body)?.into_change();
    app.service.change_otp_device(&grant, &id, change).await.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: removes a device.
#[utoipa::path(
    delete,
    path = "/private/otp-devices/{device}",
    operation_id = "remove_otp_device",
    tag = openapi::OTP_DEVICES,
    summary = "Remove a device",
    security(("access_token" = [])),
    params(("device" = String, Path, description = "The id of the device.", min_length = 1)),
    responses(
        (status = 204, description = "The device is removed."),
        (status = 404, description = NO_DEVICE, body = ErrorDetail),
    )
)]
pub(crate) async fn remove(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app, &request, Permission::OtpDevicesWrite).await?;
    let id = device_id(&request)?;
    app.service.remove_otp_device(&grant, &id).await.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// The device that a path names by its last segment; what can be no id is that of no device.
fn device_id(request: &HttpRequest) -> Result<OtpDeviceId, HttpError> {
    instance::last_segment(request)
        .and_then(|segment| OtpDeviceId::parse(segment).ok())
        .ok_or(HttpError::UseCase(Error::OtpDeviceUnknown))
}

const NO_DEVICE: &str =
    "The instance is unknown (2000) or deleted (2016), or has no such device (2021).";

/// A device with its codes.
#[derive(Serialize, ToSchema)]
pub(crate) struct OtpDeviceDetails<'a> {
    /// What people call it.
    device_description: &'a str,
    /// How its codes are computed: 0, 1 or 2.
    otp_algorithm: u8,
    /// Its counter, which no algorithm uses.
    otp_ctr: i64,
    /// The time that the codes are for, in seconds since the epoch.
    otp_timestamp: u64,
    /// The codes of the two steps before the time, its own, and the two after, one a line; absent if
    /// there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{8}(\n[0-9]{8}){4}$")]
    otp_code: Option<String>,
}

/// The devices of an instance. It is written piece by piece, and not as a whole.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `pages` writes")]
pub(crate) struct OtpDeviceSummaryResponse<'a> {
    /// The devices.
    otp_devices: Vec<OtpDeviceEntry<'a>>,
}

/// A device in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct OtpDeviceEntry<'a> {
    /// Its id.
    otp_device_id: &'a str,
    /// What people call it.
    device_description: &'a str,
}

/// An `OtpDeviceSummaryResponse` of the protocol, a page of devices at a time.
///
/// If the database fails on the way the answer breaks off, which a client takes for no valid answer.
fn pages(
    service: Arc<Service>,
    grant: Grant,
    first: Vec<OtpDeviceSummary>,
) -> impl Stream<Item = Result<Bytes, HttpError>> {
    enum Next {
        Page { page: Vec<OtpDeviceSummary>, is_first: bool },
        After(OtpDeviceId),
        Nothing,
    }
    let start = (service, grant, Next::Page { page: first, is_first: true });
    try_unfold(start, async |(service, grant, next)| {
        let (page, is_first) = match next {
            Next::Page { page, is_first } => (page, is_first),
            Next::After(last) => match service.list_otp_devices(&grant, Some(&last)).await {
                Ok(page) => (page, false),
                Err(error) => {
                    let cause = &error as &dyn std::error::Error;
                    tracing::error!(cause, "a list of devices broke off");
                    return Err(error.into());
                }
            },
            Next::Nothing => return Ok(None),
        };
        let (chunk, last) = chunk(&page, is_first);
        let next = last.map_or(Next::Nothing, Next::After);
        Ok(Some((chunk, (service, grant, next))))
    })
}

/// A page as it stands in the answer, and the id of its last device; the empty page ends the answer.
fn chunk(page: &[OtpDeviceSummary], is_first: bool) -> (Bytes, Option<OtpDeviceId>) {
    let mut json = String::new();
    if is_first {
        json.push_str("{\"otp_devices\":[");
    }
    for (position, summary) in page.iter().enumerate() {
        if position > 0 || !is_first {
            json.push(',');
        }
        let (id, description) = (summary.id.as_str(), summary.description.as_str());
        json.push_str(&entry(&OtpDeviceEntry {
            otp_device_id: id,
            device_description: description,
        }));
    }
    let last = page.last().map(|summary| summary.id.clone());
    if last.is_none() {
        json.push_str("]}");
    }
    (json.into(), last)
}

fn entry(entry: &OtpDeviceEntry<'_>) -> String {
    #[expect(clippy::expect_used, reason = "two strings are always JSON")]
    serde_json::to_string(entry).expect("JSON")
}
