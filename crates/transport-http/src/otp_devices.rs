//! `[/instances/$INSTANCE]/private/otp-devices[/$DEVICE_ID]`

use std::sync::Arc;

use actix_web::body::None as NoBody;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use merchant_otp_application::{Error, Grant, Service};
use merchant_otp_domain::{
    OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceChange, OtpDeviceDescription, OtpDeviceId,
    OtpDeviceSummary, OtpKey, Permission,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Type};

use crate::error::{ErrorDetail, HttpError};
use crate::json_object::{JsonError, JsonObject, Value};
use crate::query::Query;
use crate::routes::App;
use crate::{body, instance, openapi};

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
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesWrite).await?;
    let body = body::read(&request, payload, app.body_limit).await?;
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
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesRead).await?;
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
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesRead).await?;
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
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesRead).await?;
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
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesWrite).await?;
    let id = device_id(&request)?;
    let body = body::read(&request, payload, app.body_limit).await?;
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
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesWrite).await?;
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

const ID: &str = "otp_device_id";
const DESCRIPTION: &str = "otp_device_description";
const KEY: &str = "otp_key";
const ALGORITHM: &str = "otp_algorithm";
const COUNTER: &str = "otp_ctr";

/// A device to register.
#[derive(ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
pub(crate) struct OtpDeviceAddDetails {
    /// Its id, unique in the instance: 1 to 255 bytes without slashes and control characters.
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 255,
        pattern = r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f-\x9f]+$"
    )]
    otp_device_id: OtpDeviceId,
    /// What people call it: up to 64 KiB without NUL.
    #[schema(value_type = String, max_length = 65_536, pattern = r"^[^\x00]*$")]
    otp_device_description: OtpDeviceDescription,
    /// Its key in Base32 of RFC 3548; not empty unless the algorithm is `NONE`.
    #[schema(value_type = String, pattern = "^[A-Za-z2-7]{0,206}={0,6}$")]
    otp_key: OtpKey,
    /// How its codes are computed.
    #[schema(schema_with = algorithm_schema)]
    otp_algorithm: OtpAlgorithm,
    /// The counter of a counter-based device; 0 if it is absent.
    #[schema(value_type = Option<i64>, minimum = 0)]
    otp_ctr: Option<OtpCounter>,
}

impl OtpDeviceAddDetails {
    fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut details = JsonObject::parse(json, &[ID, DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
        let id = OtpDeviceId::parse(details.text(ID)?.as_str());
        Ok(Self {
            otp_device_id: id.map_err(JsonError::refused(ID))?,
            otp_device_description: description(&details.required(DESCRIPTION)?)?,
            otp_key: key(&details.required(KEY)?)?,
            otp_algorithm: algorithm(&details.required(ALGORITHM)?)?,
            otp_ctr: details.take(COUNTER).as_ref().map(counter).transpose()?,
        })
    }

    fn into_device(self) -> Result<OtpDevice, JsonError> {
        OtpDevice::new(
            self.otp_device_id,
            self.otp_device_description,
            self.otp_key,
            self.otp_algorithm,
            self.otp_ctr.unwrap_or_default(),
        )
        .map_err(JsonError::refused(KEY))
    }
}

/// What is to be different about a device.
#[derive(ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
pub(crate) struct OtpDevicePatchDetails {
    /// What people call it.
    #[schema(value_type = Option<String>, max_length = 65_536, pattern = r"^[^\x00]*$")]
    otp_device_description: Option<OtpDeviceDescription>,
    /// Its key in Base32 of RFC 3548.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z2-7]{0,206}={0,6}$")]
    otp_key: Option<OtpKey>,
    /// How its codes are computed.
    #[schema(schema_with = optional_algorithm_schema, required = false)]
    otp_algorithm: Option<OtpAlgorithm>,
    /// The counter of a counter-based device.
    #[schema(value_type = Option<i64>, minimum = 0)]
    otp_ctr: Option<OtpCounter>,
}

impl OtpDevicePatchDetails {
    fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut details = JsonObject::parse(json, &[DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
        Ok(Self {
            otp_device_description: details
                .take(DESCRIPTION)
                .as_ref()
                .map(description)
                .transpose()?,
            otp_key: details.take(KEY).as_ref().map(key).transpose()?,
            otp_algorithm: details.take(ALGORITHM).as_ref().map(algorithm).transpose()?,
            otp_ctr: details.take(COUNTER).as_ref().map(counter).transpose()?,
        })
    }

    fn into_change(self) -> OtpDeviceChange {
        OtpDeviceChange {
            description: self.otp_device_description,
            key: self.otp_key,
            algorithm: self.otp_algorithm,
            counter: self.otp_ctr,
        }
    }
}

fn algorithm_schema() -> OneOfBuilder {
    let numbers = OtpAlgorithm::ALL.map(OtpAlgorithm::number);
    let names = OtpAlgorithm::ALL.map(OtpAlgorithm::name);
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(numbers)))
        .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)))
}

fn optional_algorithm_schema() -> OneOfBuilder {
    algorithm_schema().item(ObjectBuilder::new().schema_type(Type::Null))
}

fn description(value: &Value) -> Result<OtpDeviceDescription, JsonError> {
    OtpDeviceDescription::parse(value.text(DESCRIPTION)?).map_err(JsonError::refused(DESCRIPTION))
}

fn key(value: &Value) -> Result<OtpKey, JsonError> {
    OtpKey::from_base32(value.text(KEY)?).map_err(JsonError::refused(KEY))
}

fn counter(value: &Value) -> Result<OtpCounter, JsonError> {
    OtpCounter::new(value.integer(COUNTER)?).map_err(JsonError::refused(COUNTER))
}

/// Reads an `otp_algorithm`: an integer, or a name in any case (protocol v7).
fn algorithm(value: &Value) -> Result<OtpAlgorithm, JsonError> {
    match value {
        Value::Integer(number) => {
            OtpAlgorithm::from_number(*number).map_err(JsonError::refused(ALGORITHM))
        }
        Value::Text(name) => OtpAlgorithm::from_name(name).map_err(JsonError::refused(ALGORITHM)),
        Value::Boolean(_) | Value::Object(_) | Value::Other => {
            let reason = "the field is neither an integer nor a string".into();
            Err(JsonError::Field { name: ALGORITHM, reason })
        }
    }
}
