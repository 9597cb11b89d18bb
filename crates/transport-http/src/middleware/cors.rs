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

/// Lets pages of every origin use the endpoints, and answers their preflights (Fetch standard).
///
/// No client is recognised by anything that a browser sends by itself: a page has to hold a token.
///
/// `actix-cors` is not used: there is one fixed answer for every origin, method and header, which
/// it would compute from lists for each request, and its preflights do not allow what is not
/// listed.
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
