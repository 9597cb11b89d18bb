//! Cross-origin requests.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

/// Allows pages of every origin to use the endpoints, and answers their preflight requests (Fetch
/// standard).
///
/// Nothing that a browser sends by itself identifies a client: a page needs an access token.
///
/// `actix-cors` is not used: one fixed response serves every origin, method and header.
/// `actix-cors` would compute it from lists for each request, and refuse preflight requests for
/// unlisted values.
pub(crate) async fn allow_every_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    const ANY: HeaderValue = HeaderValue::from_static("*");
    let mut response = if request.method() == Method::OPTIONS {
        let preflight = HttpResponse::NoContent()
            // `*` does not cover `Authorization`.
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization"))
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "DELETE, GET, HEAD, PATCH, POST"))
            .insert_header((ACCESS_CONTROL_MAX_AGE, "86400"))
            .finish();
        request.into_response(preflight).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    Ok(response)
}
