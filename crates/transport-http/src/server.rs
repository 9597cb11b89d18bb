//! The server: settings, binding, running.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::App;
use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use futures_util::future::{Either, join, select};
use merchant_otp_application::Service;
use merchant_otp_transport_kit::{
    Certificate, Heartbeats, Limits, Listen, Listener, ListeningSocket, ProxyHeader, TlsError,
    TlsFiles, UnixSocket,
};
use thiserror::Error;

use crate::endpoints::config::wire::CurrencySpecification;
use crate::endpoints::routes::configure;
use crate::listener::serve::{ServeSettings, serve};
use crate::middleware::compression::ignore_unacceptable;
use crate::middleware::cors::allow_every_origin;
use crate::middleware::encoded_slashes::decode_slashes;
use crate::middleware::http_1_0::answer_without_chunks;
use crate::middleware::request_log::log_request;
use crate::middleware::security_headers::security_headers;
use crate::middleware::unread_body::close_after_unread_body;
use crate::state::{State, of_workers};

/// The settings of the transport.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The address to listen on.
    pub listen: Listen,
    /// The limits of the service. The connections are divided among the workers, rounded up.
    pub limits: Limits,
    /// The files of the certificate, if the server encrypts. Used on TCP only.
    pub tls: Option<TlsFiles>,
    /// The header in which a proxy reports the address of the client, if there is a proxy.
    pub proxy_header: Option<ProxyHeader>,
    /// The currencies in the response of `/config`, the default first.
    pub currencies: Vec<CurrencySpecification>,
    /// The number of worker threads, 1 to 512.
    pub workers: usize,
}

/// A server that is bound to its address and ready to run.
pub struct Bound {
    pub(crate) name: &'static str,
    pub(crate) workers: usize,
    pub(crate) server: Server,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) listen: Listen,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) heartbeats: Heartbeats,
    /// Held for as long as the server runs.
    pub(crate) _socket: Option<UnixSocket>,
}

/// An error of [`bind`].
#[derive(Debug, Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error(transparent)]
    Address(#[from] merchant_otp_transport_kit::BindError),
    /// The HTTP library cannot use the socket.
    #[error("cannot serve on the socket")]
    Socket(#[source] io::Error),
    /// The certificate cannot be used.
    #[error("there is no certificate to serve with")]
    Tls(#[from] TlsError),
}

/// Binds the address of the settings, or uses a socket that is bound to it already.
///
/// `service` is called once in each worker, on its thread and its runtime.
///
/// # Errors
///
/// [`BindError`] if the address cannot be bound (it is in use, does not belong to this machine, or
/// is not permitted), if the socket listens on another address, or if the certificate cannot be
/// used.
pub fn bind(
    settings: HttpSettings,
    service: impl Fn() -> Service + Send + Sync + 'static,
    socket: Option<ListeningSocket>,
) -> Result<Bound, BindError> {
    let HttpSettings { listen, limits, tls, proxy_header, currencies, workers } = settings;
    let certificate = tls.map(Certificate::read).transpose()?;
    let Listener { socket, address, guard } = Listener::bind(listen, socket)?;
    // A Unix socket needs no certificate.
    let certificate = certificate.filter(|_| matches!(socket, ListeningSocket::Tcp(_)));
    let is_tls = certificate.is_some();
    let (services, heartbeats) = of_workers(service);
    let draining = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&draining);
    let app = move || {
        let state = State {
            service: services.of_this_thread(),
            limits,
            proxy_header,
            currencies: currencies.clone(),
            draining: Arc::clone(&draining),
        };
        App::new()
            .app_data(Data::new(state))
            .configure(configure)
            .wrap(from_fn(decode_slashes))
            .wrap(from_fn(allow_every_origin))
            .wrap(security_headers(is_tls))
            .wrap(from_fn(log_request))
            .wrap(Compress::default())
            .wrap(from_fn(ignore_unacceptable))
            .wrap(from_fn(answer_without_chunks))
            // Outermost: it reports to the connection when a response begins and ends.
            .wrap(from_fn(close_after_unread_body))
    };
    let tls = certificate.as_ref().map(Certificate::server_config).transpose()?;
    // A proxy has the connections of all clients.
    let limit_addresses = proxy_header.is_none();
    let settings = ServeSettings { workers, limits, limit_addresses, max_age: None, tls };
    let server = serve(socket, settings, app).map_err(BindError::Socket)?;
    let (draining, listen) = (shared, address);
    Ok(Bound {
        name: "http",
        workers,
        server,
        draining,
        listen,
        certificate,
        heartbeats,
        _socket: guard,
    })
}

impl Bound {
    /// Returns the name of the server in the log: `http` or `monitoring`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the number of worker threads.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Returns the address, with the assigned port if port 0 was requested.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Returns the certificate, if the server encrypts: for reloading it.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        self.certificate.clone()
    }

    /// Returns the heartbeats of the workers.
    #[must_use]
    pub fn heartbeats(&self) -> Heartbeats {
        self.heartbeats.clone()
    }

    /// Serves requests until `shutdown` completes, and then until the requests in flight are
    /// answered.
    ///
    /// No connection is accepted after `shutdown` has completed.
    ///
    /// # Errors
    ///
    /// If the worker threads cannot be run.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        match select(pin!(self.server), pin!(shutdown)).await {
            Either::Left((stopped, _)) => stopped,
            Either::Right(((), server)) => {
                self.draining.store(true, Ordering::Relaxed);
                let ((), stopped) = join(handle.stop(true), server).await;
                stopped
            }
        }
    }
}
