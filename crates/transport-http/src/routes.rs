use std::future::ready;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use actix_web::{Resource, Route};
use merchant_otp_application::Service;

use crate::error::HttpError;
use crate::{instance, otp_devices};

/// What the handlers share.
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    /// The largest request body, in bytes.
    pub(crate) body_limit: usize,
}

/// Registers the endpoints.
pub(crate) fn configure(config: &mut ServiceConfig) {
    for path in of_instance("/private/otp-devices") {
        config.service(
            Resource::new(path)
                .route(web::get().to(otp_devices::list))
                .route(web::head().to(otp_devices::list))
                .route(web::post().to(otp_devices::add))
                .default_service(method_invalid("GET, HEAD, POST")),
        );
    }
    for path in of_instance("/private/otp-devices/{device}") {
        config.service(
            Resource::new(path)
                .route(web::get().to(otp_devices::show))
                .route(web::head().to(otp_devices::show))
                .route(web::patch().to(otp_devices::change))
                .route(web::delete().to(otp_devices::remove))
                .default_service(method_invalid("DELETE, GET, HEAD, PATCH")),
        );
    }
    config.default_service(web::to(|| ready(Err::<&'static str, _>(HttpError::EndpointUnknown))));
}

/// The two paths of a resource of an instance: of the instance `admin`, and of a named one.
fn of_instance(tail: &str) -> [String; 2] {
    [tail.to_owned(), format!("/instances/{{{}}}{tail}", instance::SEGMENT)]
}

/// Answers the methods that a resource does not know.
fn method_invalid(allow: &'static str) -> Route {
    web::to(move || ready(Err::<&'static str, _>(HttpError::MethodInvalid { allow })))
}
