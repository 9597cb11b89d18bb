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

use crate::error::HttpError;
use crate::json_object::{JsonError, JsonObject, Value};
use crate::query::Query;
use crate::routes::App;
use crate::{body, instance};

/// `POST` on all: registers a device.
pub(crate) async fn add(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesWrite).await?;
    let body = body::read(&request, payload, app.body_limit).await?;
    app.service.add_otp_device(&grant, otp_device(&body)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET` on all: lists the devices, page by page as the client takes them.
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
pub(crate) async fn change(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let grant = instance::authorize(&app.service, &request, Permission::OtpDevicesWrite).await?;
    let id = device_id(&request)?;
    let body = body::read(&request, payload, app.body_limit).await?;
    let change = otp_device_change(&body)?;
    app.service.change_otp_device(&grant, &id, change).await.map_err(HttpError::Storing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE` on one: removes a device.
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

/// `OtpDeviceDetails` of the protocol.
#[derive(Serialize)]
struct OtpDeviceDetails<'a> {
    device_description: &'a str,
    otp_algorithm: u8,
    otp_ctr: i64,
    otp_timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    otp_code: Option<String>,
}

/// `OtpDeviceEntry` of the protocol.
#[derive(Serialize)]
struct OtpDeviceEntry<'a> {
    otp_device_id: &'a str,
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

/// Reads an `OtpDeviceAddDetails`.
fn otp_device(json: &[u8]) -> Result<OtpDevice, JsonError> {
    let mut details = JsonObject::parse(json, &[ID, DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
    let id = OtpDeviceId::parse(details.text(ID)?.as_str()).map_err(JsonError::refused(ID))?;
    let description = description(&details.required(DESCRIPTION)?)?;
    let key = key(&details.required(KEY)?)?;
    let algorithm = algorithm(&details.required(ALGORITHM)?)?;
    let counter = details.take(COUNTER).as_ref().map(counter).transpose()?.unwrap_or_default();
    OtpDevice::new(id, description, key, algorithm, counter).map_err(JsonError::refused(KEY))
}

/// Reads an `OtpDevicePatchDetails`; a field that is absent or `null` leaves things as they are.
fn otp_device_change(json: &[u8]) -> Result<OtpDeviceChange, JsonError> {
    let mut details = JsonObject::parse(json, &[DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
    Ok(OtpDeviceChange {
        description: details.take(DESCRIPTION).as_ref().map(description).transpose()?,
        key: details.take(KEY).as_ref().map(key).transpose()?,
        algorithm: details.take(ALGORITHM).as_ref().map(algorithm).transpose()?,
        counter: details.take(COUNTER).as_ref().map(counter).transpose()?,
    })
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
