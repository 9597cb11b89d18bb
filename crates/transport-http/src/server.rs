//! The server: settings, binding, running.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use futures_util::future::{Either, join, select};
use merchant_otp_application::Service;
use merchant_otp_transport_kit::{
    Certificate, Limits, Listen, Listener, ListeningSocket, TlsError, TlsFiles, UnixSocket,
};
use thiserror::Error;

use crate::endpoints::config::wire::CurrencySpecification;
use crate::endpoints::routes::configure;
use crate::listener::connection;
use crate::listener::per_worker::PerWorker;
use crate::middleware::compression::ignore_unacceptable;
use crate::middleware::cors::allow_every_origin;
use crate::middleware::request_log::log_request;
use crate::middleware::security_headers::security_headers;
use crate::middleware::unread_body::close_after_unread_body;
use crate::state::State;

/// The most TLS handshakes of a worker at a time.
const MAX_HANDSHAKES: usize = 4096;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How the transport serves.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens.
    pub listen: Listen,
    /// The limits of the service. The connections are divided among the workers, rounded up.
    pub limits: Limits,
    /// Where the certificate is, if the server encrypts; on TCP only.
    pub tls: Option<TlsFiles>,
    /// Whether a proxy says in `X-Forwarded-For` or `Forwarded` who the client is.
    pub behind_proxy: bool,
    /// The currencies that clients are told of, the default first.
    pub currencies: Vec<CurrencySpecification>,
    /// The number of threads that serve, 1 to 512.
    pub workers: usize,
}

/// A server that has its address and waits to be run.
pub struct Bound {
    server: Server,
    draining: Arc<AtomicBool>,
    listen: Listen,
    certificate: Option<Certificate>,
    /// Held for as long as the server runs.
    _socket: Option<UnixSocket>,
}

/// Why a server cannot serve.
#[derive(Debug, Error)]
pub enum BindError {
    /// It did not get its address.
    #[error(transparent)]
    Address(#[from] merchant_otp_transport_kit::BindError),
    /// The HTTP library cannot use the socket.
    #[error("cannot serve on the socket")]
    Socket(#[source] io::Error),
    /// There is no certificate to serve with.
    #[error("there is no certificate to serve with")]
    Tls(#[from] TlsError),
}

/// Takes the address of the settings, or a socket that has it already.
///
/// `service` is called once in each worker, on its thread and its runtime.
///
/// # Errors
///
/// If the address is not to be had: in use, not of this machine, or not allowed; if the socket has
/// another one; or if there is no certificate where one is to be.
pub fn bind(
    settings: HttpSettings,
    service: impl Fn() -> Service + Send + Sync + 'static,
    socket: Option<ListeningSocket>,
) -> Result<Bound, BindError> {
    let HttpSettings { listen, limits, tls, behind_proxy, currencies, workers } = settings;
    let certificate = tls.map(Certificate::read).transpose()?;
    let Listener { socket, address, guard } = Listener::bind(listen, socket)?;
    // A Unix socket needs none.
    let certificate = certificate.filter(|_| matches!(socket, ListeningSocket::Tcp(_)));
    let is_tls = certificate.is_some();
    let services = Arc::new(PerWorker::new(service));
    let draining = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&draining);
    let server = HttpServer::new(move || {
        let state = State {
            service: services.of_this_thread(),
            limits,
            behind_proxy,
            currencies: currencies.clone(),
            draining: Arc::clone(&draining),
        };
        App::new()
            .app_data(Data::new(state))
            .configure(configure)
            .wrap(from_fn(allow_every_origin))
            .wrap(security_headers(is_tls))
            .wrap(from_fn(log_request))
            .wrap(Compress::default())
            .wrap(from_fn(ignore_unacceptable))
            // Outermost: what it adds to the body of an answer must reach the connection.
            .wrap(from_fn(close_after_unread_body))
    })
    .disable_signals()
    .workers(workers)
    // Of each worker. More clients wait in the backlog of the operating system.
    .max_connections(limits.max_connections.div_ceil(workers))
    .client_request_timeout(connection::HEADER_TIMEOUT)
    .keep_alive(connection::KEEP_ALIVE)
    .on_connect(move |stream, data| connection::watch(stream, data, limits.stall_timeout))
    // Of TLS: connections that stall in their handshake must not keep others from beginning theirs.
    .max_connection_rate(MAX_HANDSHAKES)
    .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
    .shutdown_timeout(limits.shutdown_grace.as_secs());

    let server = match (socket, &certificate) {
        (ListeningSocket::Unix(listener), _) => server.listen_uds(listener),
        (ListeningSocket::Tcp(listener), None) => server.listen(listener),
        (ListeningSocket::Tcp(listener), Some(certificate)) => {
            server.listen_rustls_0_23(listener, certificate.server_config()?)
        }
    };
    let server = server.map_err(BindError::Socket)?.run();
    Ok(Bound { server, draining: shared, listen: address, certificate, _socket: guard })
}

impl Bound {
    /// Where it listens: the port that it got, if any was asked for.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// The certificate that it shows, if it encrypts: for reading it again.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        self.certificate.clone()
    }

    /// Answers requests until `shutdown` is done and the requests in flight are answered.
    ///
    /// No connection is taken any more once `shutdown` is done.
    ///
    /// # Errors
    ///
    /// If the threads that serve cannot be run.
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
