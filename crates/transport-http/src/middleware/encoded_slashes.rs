//! Percent-encoded slashes in paths.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;

/// Replaces `%2F` in the path by a slash, as the C backend does. A client relies on it:
/// it requests `private%2Fpos`.
///
/// No id contains a slash, so that no path changes its meaning.
pub(crate) async fn decode_slashes(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(uri) = decoded(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

/// Returns the URI with decoded slashes; `None` if it has no encoded ones.
fn decoded(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("%2F") && !path.contains("%2f") {
        return None;
    }
    let path = path.replace("%2F", "/").replace("%2f", "/");
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_of_the_path_are_decoded_once() {
        for (uri, expected) in [
            ("/private%2Fpos", Some("/private/pos")),
            ("/a%2fb%2Fc?d=%2F", Some("/a/b/c?d=%2F")),
            ("http://host/a%2Fb", Some("http://host/a/b")),
            ("/a%252Fb", None),
            ("/a/b?c=%2F", None),
        ] {
            let decoded = decoded(&uri.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(decoded.as_deref(), expected, "{uri}");
        }
    }
}
