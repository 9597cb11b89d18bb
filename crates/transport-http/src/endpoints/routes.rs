//! The routes.

use std::future::ready;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, Resource, Route};

use crate::endpoints::{access_tokens, config, health, instances, otp_devices, web_page};
use crate::error::HttpError;
use crate::extract::path;
use crate::extract::presented::find_instance;
use crate::middleware::deadline::answer_in_time;
use crate::openapi;
use crate::state::State;

/// Registers the endpoints.
pub(crate) fn configure(service: &mut ServiceConfig) {
    web_page_routes(service);
    otp_device_routes(service);
    access_token_routes(service);
    instance_routes(service);
    service_routes(service);
    // After all others: an unknown instance is reported before an unknown endpoint.
    let below = format!("/instances/{{{}}}/{{tail}}*", path::INSTANCE);
    service.service(resource(below).default_service(web::to(unknown_endpoint)));
    service.default_service(web::to(|| ready(Err::<&'static str, _>(HttpError::EndpointUnknown))));
}

fn web_page_routes(service: &mut ServiceConfig) {
    for path in ["/", "/instances/{instance}", "/instances/{instance}/"] {
        service.service(
            resource(path)
                .route(web::get().to(web_page::redirect))
                .route(web::head().to(web_page::redirect))
                .default_service(method_invalid("GET, HEAD")),
        );
    }
    for path in of_instance("/webui/") {
        service.service(
            resource(path)
                .route(web::get().to(web_page::show))
                .route(web::head().to(web_page::show))
                .default_service(method_invalid("GET, HEAD")),
        );
    }
}

fn otp_device_routes(service: &mut ServiceConfig) {
    for path in of_instance("/private/otp-devices") {
        service.service(
            resource(path)
                .route(web::get().to(otp_devices::list))
                .route(web::head().to(otp_devices::list_head))
                .route(web::post().to(otp_devices::add))
                .default_service(method_invalid("GET, HEAD, POST")),
        );
    }
    for path in of_instance("/private/otp-devices/{device}") {
        service.service(
            resource(path)
                .route(web::get().to(otp_devices::show))
                .route(web::head().to(otp_devices::show))
                .route(web::patch().to(otp_devices::change))
                .route(web::delete().to(otp_devices::remove))
                .default_service(method_invalid("DELETE, GET, HEAD, PATCH")),
        );
    }
}

fn access_token_routes(service: &mut ServiceConfig) {
    for path in of_instance("/private/token") {
        service.service(
            resource(path)
                .route(web::post().to(access_tokens::log_in))
                .route(web::delete().to(access_tokens::log_out))
                .default_service(method_invalid("DELETE, POST")),
        );
    }
    for path in of_instance("/private/tokens") {
        service.service(
            resource(path)
                .route(web::get().to(access_tokens::list))
                .route(web::head().to(access_tokens::list))
                .default_service(method_invalid("GET, HEAD")),
        );
    }
    for path in of_instance("/private/tokens/{serial}") {
        service.service(
            resource(path)
                .route(web::delete().to(access_tokens::revoke))
                .default_service(method_invalid("DELETE")),
        );
    }
}

fn instance_routes(service: &mut ServiceConfig) {
    service.service(
        resource("/management/instances")
            .route(web::get().to(instances::list))
            .route(web::head().to(instances::list))
            .route(web::post().to(instances::add))
            .default_service(method_invalid("GET, HEAD, POST")),
    );
    service.service(
        resource("/instances")
            .route(web::post().to(instances::provision))
            .default_service(method_invalid("POST")),
    );
    for path in of_instance_or_managed("") {
        service.service(
            resource(path)
                .route(web::get().to(instances::show))
                .route(web::head().to(instances::show))
                .route(web::patch().to(instances::change))
                .route(web::delete().to(instances::remove))
                .default_service(method_invalid("DELETE, GET, HEAD, PATCH")),
        );
    }
    for path in of_instance_or_managed("/auth") {
        service.service(
            resource(path)
                .route(web::post().to(instances::set_password))
                .default_service(method_invalid("POST")),
        );
    }
}

fn service_routes(service: &mut ServiceConfig) {
    for path in of_instance("/config") {
        service.service(
            resource(path)
                .route(web::get().to(config::show))
                .route(web::head().to(config::show))
                .default_service(method_invalid("GET, HEAD")),
        );
    }
    service.service(
        resource("/healthz")
            .route(web::get().to(health::live))
            .route(web::head().to(health::live))
            .default_service(method_invalid("GET, HEAD")),
    );
    service.service(
        resource("/readyz")
            .route(web::get().to(health::ready))
            .route(web::head().to(health::ready))
            .default_service(method_invalid("GET, HEAD")),
    );
    service.service(
        resource("/openapi.json")
            .route(web::get().to(openapi::show))
            .route(web::head().to(openapi::show))
            .default_service(method_invalid("GET, HEAD")),
    );
}

/// A resource at a path, whose requests have a deadline.
fn resource(
    path: impl Into<String>,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    Resource::new(path.into()).wrap(from_fn(answer_in_time))
}

/// The two paths of a resource of an instance: that of the instance `admin`, and that of a named
/// one.
fn of_instance(tail: &str) -> [String; 2] {
    [tail.to_owned(), format!("/instances/{{{}}}{tail}", path::INSTANCE)]
}

/// The three paths of an instance itself: the two of the instance, and the management path.
fn of_instance_or_managed(tail: &str) -> [String; 3] {
    let [admin, named] = of_instance(&format!("/private{tail}"));
    [admin, named, format!("/management/instances/{{{}}}{tail}", path::INSTANCE)]
}

/// Answers methods that a resource does not support.
fn method_invalid(allow: &'static str) -> Route {
    /// Longer methods are shortened in the response.
    const MAX_CHARACTERS: usize = 64;
    web::to(move |request: HttpRequest| {
        let method = request.method().as_str().chars().take(MAX_CHARACTERS).collect();
        ready(Err::<&'static str, _>(HttpError::MethodInvalid { method, allow }))
    })
}

/// Answers a path below an instance at which there is no endpoint.
async fn unknown_endpoint(
    state: Data<State>,
    request: HttpRequest,
) -> Result<&'static str, HttpError> {
    find_instance(&state, &request).await?;
    Err(HttpError::EndpointUnknown)
}
