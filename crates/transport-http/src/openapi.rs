//! `/openapi.json`: the description of the endpoints (OpenAPI 3.1), generated from their handlers
//! and the types of their bodies.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, PathItem, Ref, Required, ResponseBuilder, Type,
};
use utoipa::{OpenApi, ToSchema};

use crate::endpoints::{access_tokens, config, health, instances, otp_devices, tags};
use crate::error::ErrorDetail;
use crate::extract::path;

/// The operations on the instance `admin`, and those that only `admin` may use.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Merchant OTP service",
        description = "The OTP-device endpoints of a GNU Taler merchant backend. Request \
                       bodies may be compressed (`Content-Encoding: gzip` or `deflate`), and \
                       `HEAD` is supported wherever `GET` is. Unknown fields of a body are ignored."
    ),
    paths(
        otp_devices::add,
        otp_devices::list,
        otp_devices::show,
        otp_devices::change,
        otp_devices::remove,
        access_tokens::log_in,
        access_tokens::log_out,
        access_tokens::list,
        access_tokens::revoke,
        instances::show,
        instances::change,
        instances::remove,
        instances::set_password,
        instances::add,
        instances::provision,
        instances::list,
        config::show,
        health::live,
        health::ready,
        show,
    )
)]
struct OperationsOfAdmin;

/// Returns the description of the endpoints (OpenAPI 3.1) as indented JSON: the response of
/// `/openapi.json`.
#[must_use]
pub fn openapi() -> String {
    pretty(&document())
}

/// `GET`: describes the endpoints.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "show_openapi",
    tag = tags::SERVICE,
    summary = "Describe the endpoints",
    responses((
        status = 200,
        description = "This description.",
        body = Object,
        content_type = "application/json"
    ))
)]
pub(crate) async fn show() -> HttpResponse {
    static JSON: LazyLock<String> = LazyLock::new(openapi);
    HttpResponse::Ok().content_type(ContentType::json()).body(JSON.as_str())
}

fn pretty(document: &utoipa::openapi::OpenApi) -> String {
    #[expect(clippy::expect_used, reason = "it depends on nothing but the code, and is tested")]
    let json = document.to_pretty_json().expect("JSON");
    json + "\n"
}

fn document() -> utoipa::openapi::OpenApi {
    let mut document = OperationsOfAdmin::openapi();
    let of_admin = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in of_admin {
        for operation in operations(&mut item) {
            add_common_responses(operation);
        }
        let mut paths = vec![(path.clone(), item.clone())];
        if path.starts_with("/private") || path == "/config" {
            let named = of_instance(&item, "named_");
            paths.push((format!("/instances/{{instance}}{path}"), named));
        }
        let tail = path.strip_prefix("/private").filter(|tail| ["", "/auth"].contains(tail));
        if let Some(tail) = tail {
            let managed = of_instance(&item, "managed_");
            paths.push((format!("/management/instances/{{instance}}{tail}"), managed));
        }
        document.paths.paths.extend(paths);
    }
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token of the instance, with its prefix `secret-token:`."));
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("The id of the instance and its password."));
    components.add_security_scheme("access_token", SecurityScheme::Http(bearer.build()));
    components.add_security_scheme("password", SecurityScheme::Http(basic.build()));
    document
}

/// Returns the operations of `item` for a path that names the instance.
fn of_instance(item: &PathItem, prefix: &str) -> PathItem {
    let mut item = item.clone();
    for operation in operations(&mut item) {
        operation.operation_id =
            operation.operation_id.take().map(|operation_id| prefix.to_owned() + &operation_id);
        operation.parameters.get_or_insert_default().insert(0, instance_parameter().into());
        add_response(operation, "404", "The instance is unknown (2000) or deleted (2016).");
        add_response(operation, "500", FAILED);
    }
    item
}

fn instance_parameter() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(2))
        .max_length(Some(255))
        .pattern(Some("^[A-Za-z0-9][A-Za-z0-9_.@-]+$"));
    ParameterBuilder::new()
        .name(path::INSTANCE)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The id of the instance."))
        .schema(Some(schema))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

const FAILED: &str = "The database (51 to 56) or the service (60) failed.";

/// Adds the common responses that an operation does not define itself.
fn add_common_responses(operation: &mut Operation) {
    if operation.request_body.is_some() {
        add_response(
            operation,
            "400",
            "The body is malformed (22) or cannot be decompressed (28).",
        );
        add_response(operation, "408", "The body did not arrive in time (22).");
        add_response(operation, "413", "The body is larger than allowed (32).");
        add_response(
            operation,
            "415",
            "The `Content-Encoding` is not supported (28); `Accept-Encoding` lists those that are.",
        );
    }
    if operation.security.is_some() {
        add_response(operation, "401", "The credentials are missing or invalid (2015).");
        add_response(operation, "404", "The instance is unknown (2000) or deleted (2016).");
        add_response(
            operation,
            "429",
            "A password was presented in place of an access token, and too many log-ins failed \
             (2015). `Retry-After` is the time to wait.",
        );
        add_response(operation, "500", FAILED);
        add_response(
            operation,
            "503",
            "The service is busy (51). `Retry-After` is the time to wait; doing it twice is safe.",
        );
        // Every token may revoke itself.
        if operation.operation_id.as_deref() != Some("log_out") {
            add_response(operation, "403", "The access token does not allow this (16).");
        }
    }
}

fn add_response(operation: &mut Operation, status: &str, description: &str) {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorDetail::name())));
    let response =
        ResponseBuilder::new().description(description).content("application/json", body.build());
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/openapi.json is up to date.
    #[test]
    fn the_checked_in_description_is_up_to_date() {
        let checked_in = include_str!("../../../docs/openapi.json");
        assert!(
            openapi() == checked_in,
            "the endpoints changed: `cargo run -- openapi > docs/openapi.json` and look at the diff"
        );
    }
}
