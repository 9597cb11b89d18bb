//! Parts of the path.

use actix_web::HttpRequest;
use merchant_otp_taler_protocol::ADMIN;
use percent_encoding::percent_decode_str;

/// The name of the path segment that names an instance.
pub(crate) const INSTANCE: &str = "instance";

/// The text that a path addresses an instance by.
///
/// The router leaves nothing percent-encoded that an id may have.
pub(crate) fn instance(request: &HttpRequest) -> &str {
    request.match_info().get(INSTANCE).unwrap_or(ADMIN)
}

/// Whether the path of a request names an instance.
pub(crate) fn names_instance(request: &HttpRequest) -> bool {
    request.match_info().get(INSTANCE).is_some()
}

/// Whether a request goes to the instances that `admin` manages.
pub(crate) fn is_management(request: &HttpRequest) -> bool {
    // The pattern and not the path, of which the client may have encoded whatever it liked.
    request.match_pattern().is_some_and(|pattern| pattern.starts_with("/management/"))
}

/// The last segment of a path, percent-decoded once; `None` if it is not UTF-8 then.
///
/// It is taken from the path as it was sent: the router decodes most, but not all of it, and puts
/// something else in the place of what is not UTF-8.
pub(crate) fn last_segment(request: &HttpRequest) -> Option<String> {
    let segment = request.uri().path().rsplit('/').next()?;
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}
