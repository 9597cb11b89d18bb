//! The state of a worker.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::HttpRequest;
use actix_web::web::Data;
use merchant_otp_application::Service;
use merchant_otp_transport_kit::{Heartbeats, Limits, ProxyHeader};

use crate::endpoints::config::wire::CurrencySpecification;
use crate::listener::per_worker::PerWorker;

/// The state that the handlers of a worker share.
pub(crate) struct State {
    pub(crate) service: Arc<Service>,
    pub(crate) limits: Limits,
    /// The header in which a proxy reports the address of the client, if there is a proxy.
    pub(crate) proxy_header: Option<ProxyHeader>,
    /// The currencies in the response of `/config`, the default first.
    pub(crate) currencies: Vec<CurrencySpecification>,
    /// Whether the server has stopped accepting connections.
    pub(crate) draining: Arc<AtomicBool>,
}

impl State {
    /// Returns the state of the worker that handles a request.
    pub(crate) fn of(request: &HttpRequest) -> &Self {
        #[expect(clippy::expect_used, reason = "the server registers it before the endpoints")]
        request.app_data::<Data<Self>>().expect("the state of the worker")
    }
}

/// The services of the workers of a server, and the heartbeats of these workers.
pub(crate) fn of_workers(
    service: impl Fn() -> Service + Send + Sync + 'static,
) -> (Arc<PerWorker<Service>>, Heartbeats) {
    let heartbeats = Heartbeats::default();
    let answering = heartbeats.clone();
    let services = PerWorker::new(move || {
        actix_web::rt::spawn(answering.answer());
        service()
    });
    (Arc::new(services), heartbeats)
}
