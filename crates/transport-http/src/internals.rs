//! Entry points of fuzz targets and benchmarks, only in builds for them. Each function reads its
//! input like that of a client.

use actix_web::http::Uri;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::test::TestRequest;
use merchant_otp_transport_kit::ProxyHeader;

use crate::endpoints::access_tokens::wire::LoginTokenRequest;
use crate::endpoints::instances::wire::{
    InstanceAuthConfigurationMessage, InstanceConfigurationMessage, InstanceReconfigurationMessage,
};
use crate::endpoints::otp_devices::wire::{OtpDeviceAddDetails, OtpDevicePatchDetails};
use crate::extract::client_address::client_address;
use crate::extract::credentials::Credentials;
use crate::extract::path::last_segment;
use crate::extract::query::Query;

/// Reads a body as each type of request body.
pub fn body(data: &[u8]) {
    let _device = OtpDeviceAddDetails::read(data).and_then(OtpDeviceAddDetails::into_device);
    let _change = OtpDevicePatchDetails::read(data).map(OtpDevicePatchDetails::into_change);
    let _token = LoginTokenRequest::read(data).map(LoginTokenRequest::into_new_access_token);
    let _instance = InstanceConfigurationMessage::read(data);
    let _name = InstanceReconfigurationMessage::read(data);
    let _auth = InstanceAuthConfigurationMessage::read(data);
}

/// Reads the body of a device. Returns whether it is valid.
#[must_use]
pub fn device(data: &[u8]) -> bool {
    OtpDeviceAddDetails::read(data).and_then(OtpDeviceAddDetails::into_device).is_ok()
}

/// Reads a path and its query.
pub fn path(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else {
        return;
    };
    let request = TestRequest::default().uri(&uri.to_string()).to_http_request();
    let _segment = last_segment(&request);
    let query = Query::of(&request);
    let _time = query.timestamp("faketime");
    let _price = query.amount("price");
    let _limit = query.integer("limit");
    let _offset = query.number("offset");
    let _purge = query.yes("purge");
}

/// Reads the headers that identify the client.
pub fn header(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let request = TestRequest::default()
        .append_header((AUTHORIZATION, value.clone()))
        .append_header(("X-Forwarded-For", value.clone()))
        .append_header(("Forwarded", value.clone()))
        .append_header(("X-Real-IP", value))
        .to_http_request();
    let _credentials = Credentials::of(&request);
    for header in ProxyHeader::ALL {
        let _address = client_address(&request, Some(header));
    }
}
