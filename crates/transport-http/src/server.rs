use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App as ActixApp, HttpServer};
use futures_util::future::{Either, join, select};
use merchant_otp_application::Service;
use thiserror::Error;

use crate::access_log::log_answer;
use crate::compression::ignore_unacceptable;
use crate::connection;
use crate::cors::allow_every_origin;
use crate::listen::{Listen, ListeningSocket};
use crate::per_worker::PerWorker;
use crate::routes::{App, configure};
use crate::security_headers::add_security_headers;
use crate::tls::{Certificate, TlsError, TlsFiles};
use crate::unix_socket::UnixSocket;
use crate::unread_body::close_after_unread_body;
use crate::version::CurrencySpecification;

/// How many TLS handshakes a thread has under way at the most.
const MOST_HANDSHAKES: usize = 4096;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How the transport serves.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens.
    pub listen: Listen,
    /// The largest request body, in bytes, as sent and decompressed.
    pub body_limit: usize,
    /// Where the certificate is, if the server encrypts; on TCP only.
    pub tls: Option<TlsFiles>,
    /// Whether a proxy tells in `X-Forwarded-For` or `Forwarded` who the client is.
    pub behind_proxy: bool,
    /// The currencies that clients are told of, the default first.
    pub currencies: Vec<CurrencySpecification>,
    /// How long a request may take, from the end of its body to the head of its answer.
    pub request_deadline: Duration,
    /// How many threads serve, 1 to 512.
    pub workers: usize,
    /// How many connections are served at a time; they are divided among the threads, rounded up.
    pub max_connections: usize,
    /// How long requests in flight may take after shutdown began.
    pub shutdown_grace: Duration,
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
    #[error("cannot listen on {listen}")]
    Address {
        /// The address.
        listen: Listen,
        /// Why.
        source: io::Error,
    },
    /// The socket that was handed over listens somewhere else than it is to.
    #[error("the socket that was handed over listens on {found} and not on {listen}")]
    OtherSocket {
        /// Where it is to listen.
        listen: Listen,
        /// Where it does.
        found: Listen,
    },
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
    let HttpSettings {
        listen,
        body_limit,
        tls,
        behind_proxy,
        currencies,
        request_deadline,
        workers,
        max_connections,
        shutdown_grace,
    } = settings;
    let certificate = tls.map(Certificate::read).transpose()?;
    let services = Arc::new(PerWorker::new(service));
    let draining = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&draining);
    let server = HttpServer::new(move || {
        let app = App {
            service: services.of_this_thread(),
            body_limit,
            request_deadline,
            behind_proxy,
            currencies: currencies.clone(),
            draining: Arc::clone(&draining),
        };
        ActixApp::new()
            .app_data(Data::new(app))
            .configure(configure)
            .wrap(from_fn(allow_every_origin))
            .wrap(from_fn(add_security_headers))
            .wrap(from_fn(log_answer))
            .wrap(Compress::default())
            .wrap(from_fn(ignore_unacceptable))
            // Outermost: what it adds to the body of an answer must reach the connection.
            .wrap(from_fn(close_after_unread_body))
    })
    .disable_signals()
    .workers(workers)
    // Of each thread. Who comes when all are taken waits in the backlog of the operating system.
    .max_connections(max_connections.div_ceil(workers))
    .client_request_timeout(connection::HEAD)
    .keep_alive(connection::KEEP_ALIVE)
    .on_connect(connection::watch)
    // Of TLS: connections that stall in their handshake must not keep others from beginning theirs.
    .max_connection_rate(MOST_HANDSHAKES)
    .tls_handshake_timeout(HANDSHAKE)
    .shutdown_timeout(shutdown_grace.as_secs());

    if let Some(socket) = &socket {
        let found = socket.address();
        let found =
            found.map_err(|source| BindError::Address { listen: listen.clone(), source })?;
        if !listen.admits(&found) {
            return Err(BindError::OtherSocket { listen, found });
        }
    }
    let bound = match (&listen, socket) {
        (_, Some(ListeningSocket::Unix(listener))) => {
            server.listen_uds(listener).map(|server| (server, None))
        }
        (_, Some(ListeningSocket::Tcp(listener))) => match &certificate {
            None => server.listen(listener),
            Some(certificate) => server.listen_rustls_0_23(listener, certificate.server_config()?),
        }
        .map(|server| (server, None)),
        (Listen::Tcp(address), None) => match &certificate {
            None => server.bind(address),
            Some(certificate) => server.bind_rustls_0_23(address, certificate.server_config()?),
        }
        .map(|server| (server, None)),
        (Listen::Unix(path), None) => UnixSocket::bind(path).and_then(|(socket, listener)| {
            server.listen_uds(listener).map(|server| (server, Some(socket)))
        }),
    };
    let (server, socket) = match bound {
        Ok(bound) => bound,
        Err(source) => return Err(BindError::Address { listen, source }),
    };
    let listen = match (listen, server.addrs().first()) {
        (Listen::Tcp(_), Some(address)) => Listen::Tcp(*address),
        (listen, _) => listen,
    };
    Ok(Bound { server: server.run(), draining: shared, listen, certificate, _socket: socket })
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
