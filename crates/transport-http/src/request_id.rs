use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;

use crate::routes::App;

/// The header that names a request, in its answer and where a proxy names it.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called in the log: what the proxy calls it, or something random.
///
/// A client that comes without a proxy must not choose what is in the log.
pub(crate) fn request_id(request: &ServiceRequest) -> String {
    const LONGEST: usize = 64;
    let is_good = |id: &&str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=LONGEST).contains(&id.len()) && id.bytes().all(is_allowed)
    };
    let behind_proxy = request.app_data::<Data<App>>().is_some_and(|app| app.behind_proxy);
    let given = request.headers().get(X_REQUEST_ID).filter(|_| behind_proxy);
    match given.and_then(|id| id.to_str().ok()).filter(is_good) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", fastrand::u64(..)),
    }
}

/// The id as the value of a header.
pub(crate) fn header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(id).ok()
}
