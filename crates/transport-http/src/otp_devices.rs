//! `[/instances/$INSTANCE]/private/otp-devices`

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use merchant_otp_domain::{
    OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId, OtpKey, Permission,
};

use crate::error::HttpError;
use crate::json_object::{JsonError, JsonObject, Scalar};
use crate::routes::App;
use crate::{body, instance};

/// `POST`: registers a device.
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

const ID: &str = "otp_device_id";
const DESCRIPTION: &str = "otp_device_description";
const KEY: &str = "otp_key";
const ALGORITHM: &str = "otp_algorithm";
const COUNTER: &str = "otp_ctr";

/// Reads an `OtpDeviceAddDetails`.
fn otp_device(json: &[u8]) -> Result<OtpDevice, JsonError> {
    let mut details = JsonObject::parse(json, &[ID, DESCRIPTION, KEY, ALGORITHM, COUNTER])?;
    let id = OtpDeviceId::parse(details.text(ID)?.as_str()).map_err(JsonError::refused(ID))?;
    let description = OtpDeviceDescription::parse(details.text(DESCRIPTION)?.as_str())
        .map_err(JsonError::refused(DESCRIPTION))?;
    let key = OtpKey::from_base32(&details.text(KEY)?).map_err(JsonError::refused(KEY))?;
    let algorithm = otp_algorithm(&details.required(ALGORITHM)?)?;
    let counter = match details.optional_integer(COUNTER)? {
        None => OtpCounter::default(),
        Some(value) => OtpCounter::new(value).map_err(JsonError::refused(COUNTER))?,
    };
    OtpDevice::new(id, description, key, algorithm, counter).map_err(JsonError::refused(KEY))
}

/// Reads an `otp_algorithm`: an integer, or a name in any case (protocol v7).
fn otp_algorithm(value: &Scalar) -> Result<OtpAlgorithm, JsonError> {
    match value {
        Scalar::Integer(number) => {
            OtpAlgorithm::from_number(*number).map_err(JsonError::refused(ALGORITHM))
        }
        Scalar::Text(name) => OtpAlgorithm::from_name(name).map_err(JsonError::refused(ALGORITHM)),
        Scalar::Other => {
            let reason = "the field is neither an integer nor a string".into();
            Err(JsonError::Field { name: ALGORITHM, reason })
        }
    }
}
