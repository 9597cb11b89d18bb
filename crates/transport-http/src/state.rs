//! What the handlers of a worker share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::HttpRequest;
use actix_web::web::Data;
use merchant_otp_application::Service;
use merchant_otp_transport_kit::Limits;

use crate::endpoints::config::wire::CurrencySpecification;

/// What the handlers of a worker share.
pub(crate) struct State {
    pub(crate) service: Arc<Service>,
    pub(crate) limits: Limits,
    /// Whether a proxy says in `X-Forwarded-For` or `Forwarded` who the client is.
    pub(crate) behind_proxy: bool,
    /// The currencies that clients are told of, the default first.
    pub(crate) currencies: Vec<CurrencySpecification>,
    /// Whether the server takes no new connections any more.
    pub(crate) draining: Arc<AtomicBool>,
}

impl State {
    /// The state of the worker that answers a request.
    pub(crate) fn of(request: &HttpRequest) -> &Self {
        #[expect(clippy::expect_used, reason = "the server registers it before the endpoints")]
        request.app_data::<Data<Self>>().expect("the state of the worker")
    }
}
