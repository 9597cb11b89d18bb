//! `/` and `/instances/$INSTANCE`, which redirect to the page at `webui/`.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::error::HttpError;
use crate::extract::path;
use crate::extract::presented::find_instance;
use crate::state::State;

/// Redirects to the page. The location is relative, so that it stays below the prefix of a proxy.
///
/// Clients send `HEAD` to the address of an instance to check that it exists.
pub(crate) async fn redirect(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    find_instance(&state, &request).await?;
    let location = if request.uri().path().ends_with('/') {
        "webui/".to_owned()
    } else {
        // Relative to the parent of the last segment.
        format!("{}/webui/", path::last_segment(&request).unwrap_or_default())
    };
    Ok(HttpResponse::Found().insert_header((LOCATION, location)).finish())
}

/// Shows the page.
pub(crate) async fn show(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    find_instance(&state, &request).await?;
    let root = if path::names_instance(&request) { "../../.." } else { ".." };
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page(root)))
}

/// The page, which explains the service to people who open its address in a browser. `root` is the
/// relative address of the service.
fn page(root: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Merchant OTP service</title>
<h1>Merchant OTP service</h1>
<p>This is the OTP-device service of a GNU Taler merchant backend. It has an API for programs, and
no pages for people.</p>
<ul>
<li><a href="{root}/openapi.json">Description of the API (OpenAPI)</a>
<li><a href="{root}/config">Version and currencies</a>
<li><a href="https://docs.taler.net/core/api-merchant.html">Documentation of the protocol</a>
</ul>
</html>
"#
    )
}
