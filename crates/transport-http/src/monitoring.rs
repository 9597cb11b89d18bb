//! The server for monitoring: metrics and health, on a separate address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use merchant_otp_application::Service;
use merchant_otp_transport_kit::{Limits, Listen, Listener};

use crate::endpoints::health;
use crate::listener::serve::{ServeSettings, serve};
use crate::middleware::security_headers::security_headers;
use crate::server::{BindError, Bound};
use crate::state::{State, of_workers};

/// The maximum number of connections.
const MAX_CONNECTIONS: usize = 64;

/// How long a connection may last.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The media type of metrics for Prometheus.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The settings of the server for monitoring.
#[derive(Clone, Copy, Debug)]
pub struct MonitoringSettings {
    /// The address to listen on. It is unencrypted, and needs no credentials.
    pub listen: SocketAddr,
    /// How long requests in flight may take after a shutdown began.
    pub shutdown_grace: Duration,
}

/// Binds a server for monitoring: `/metrics`, `/healthz` and `/readyz`.
///
/// It has 64 connections at most, of 10 s at most, and a worker of its own, so that probes do not
/// depend on the connections of clients. `service` is called once, in the worker; `metrics` renders
/// the metrics in the text format of Prometheus.
///
/// # Errors
///
/// [`BindError`] if the address cannot be bound.
pub fn bind_monitoring(
    settings: MonitoringSettings,
    service: impl Fn() -> Service + Send + Sync + 'static,
    metrics: impl Fn() -> String + Clone + Send + 'static,
) -> Result<Bound, BindError> {
    let MonitoringSettings { listen, shutdown_grace } = settings;
    let limits = Limits {
        max_body_bytes: 0,
        body_deadline: MAX_AGE,
        max_connections: MAX_CONNECTIONS,
        max_connections_per_address: MAX_CONNECTIONS,
        request_deadline: MAX_AGE,
        stall_timeout: MAX_AGE,
        shutdown_grace,
    };
    let Listener { socket, address, guard } = Listener::bind(Listen::Tcp(listen), None)?;
    let (services, heartbeats) = of_workers(service);
    let draining = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&draining);
    let app = move || {
        let state = State {
            service: services.of_this_thread(),
            limits,
            proxy_header: None,
            currencies: Vec::new(),
            draining: Arc::clone(&draining),
        };
        let metrics = metrics.clone();
        App::new()
            .app_data(Data::new(state))
            .route("/healthz", web::get().to(health::live))
            .route("/readyz", web::get().to(health::ready))
            .route(
                "/metrics",
                web::get().to(move || {
                    let response = HttpResponse::Ok().content_type(METRICS_TYPE).body(metrics());
                    async { response }
                }),
            )
            .wrap(security_headers(false))
    };
    let settings = ServeSettings {
        workers: 1,
        limits,
        limit_addresses: false,
        max_age: Some(MAX_AGE),
        tls: None,
    };
    let server = serve(socket, settings, app).map_err(BindError::Socket)?;
    Ok(Bound {
        name: "monitoring",
        workers: 1,
        server,
        draining: shared,
        listen: address,
        certificate: None,
        heartbeats,
        _socket: guard,
    })
}
