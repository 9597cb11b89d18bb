//! Parts of the path.

use actix_web::HttpRequest;
use merchant_otp_domain::InstanceId;
use merchant_otp_taler_protocol::ADMIN;
use percent_encoding::percent_decode_str;

/// The name of the path segment that names an instance.
pub(crate) const INSTANCE: &str = "instance";

/// Returns the instance that a path addresses, as text: `admin` if the path names none, or if it
/// names `admin` by its former name.
///
/// The router has decoded every character that an id may contain.
pub(crate) fn instance(request: &HttpRequest) -> &str {
    request.match_info().get(INSTANCE).map_or(ADMIN, current_name)
}

/// Returns the name of an instance, which for `admin` may be given as its former name.
///
/// The former name is not redirected: clients drop `Authorization` when they follow a redirect.
pub(crate) fn current_name(instance: &str) -> &str {
    if instance == InstanceId::FORMER_ADMIN { ADMIN } else { instance }
}

/// Whether the path of a request names an instance.
pub(crate) fn names_instance(request: &HttpRequest) -> bool {
    request.match_info().get(INSTANCE).is_some()
}

/// Whether a request addresses a management endpoint of `admin`.
pub(crate) fn is_management(request: &HttpRequest) -> bool {
    // The pattern and not the path: the client may percent-encode any part of the path.
    request.match_pattern().is_some_and(|pattern| pattern.starts_with("/management/"))
}

/// Returns the last segment of a path, percent-decoded once; `None` if the result is not UTF-8.
///
/// The segment is taken from the path as it was sent: the router decodes most of it but not all,
/// and replaces what is not UTF-8.
pub(crate) fn last_segment(request: &HttpRequest) -> Option<String> {
    let segment = request.uri().path().rsplit('/').next()?;
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}
