//! The server of a listening socket.
//!
//! `actix_web::HttpServer` does the same, but reads and writes the sockets themselves and not a
//! [`ClientStream`].

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::rt::time::timeout;
use merchant_otp_transport_kit::{AddressPermit, AddressPermits, Limits, ListeningSocket};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::listener::client_stream::{ClientStream, HEADER_TIMEOUT, KEEP_ALIVE, Timeouts};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection whose request body was not read stays open, so that the client reads the
/// response.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection, as actix-http takes it.
type Accepted<T> = (ClientStream<T>, Protocol, Option<SocketAddr>);

/// The settings of [`serve`].
pub(crate) struct ServeSettings {
    /// The number of worker threads, 1 to 512.
    pub(crate) workers: usize,
    /// The connections are divided among the workers, rounded up.
    pub(crate) limits: Limits,
    /// Whether the peer of a connection is the client, so that its connections are limited.
    pub(crate) limit_addresses: bool,
    /// How long a connection may last at most.
    pub(crate) max_age: Option<Duration>,
    /// For TLS; not for Unix sockets.
    pub(crate) tls: Option<ServerConfig>,
}

/// Serves the connections of a socket. `app` is called in each worker.
pub(crate) fn serve<F, I, S, B>(
    socket: ListeningSocket,
    settings: ServeSettings,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let ServeSettings { workers, limits, limit_addresses, max_age, tls } = settings;
    let addresses =
        limit_addresses.then(|| AddressPermits::new(limits.max_connections_per_address));
    let server = Server::build()
        .disable_signals()
        .workers(workers)
        // Per worker. Further clients wait in the backlog of the operating system.
        .max_concurrent_connections(limits.max_connections.div_ceil(workers))
        .shutdown_timeout(limits.shutdown_grace.as_secs());
    let shutdown = server.graceful_shutdown_signal();
    let timeouts = Timeouts { stall: limits.stall_timeout, max_age };
    let tcp = Tcp { addresses };
    let tls = tls.map(|mut config| {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let server = match (socket, tls) {
        (ListeningSocket::Unix(listener), _) => server.listen_uds("http", listener, move || {
            let accept = move |stream: UnixStream| async move {
                let stream = ClientStream::new(stream, timeouts);
                Ok::<Accepted<_>, ()>((stream, Protocol::Http1, None))
            };
            let shutdown = shutdown.clone();
            fn_service(accept).and_then(http(app(), async move || shutdown.notified().await))
        }),
        (ListeningSocket::Tcp(listener), None) => server.listen("http", listener, move || {
            let tcp = tcp.clone();
            let accept = move |stream: TcpStream| {
                let accepted = tcp.accept(&stream);
                async move {
                    let (peer, permit) = accepted?;
                    let stream = ClientStream::new(stream, timeouts).with_permit(permit);
                    Ok::<Accepted<_>, ()>((stream, Protocol::Http1, peer))
                }
            };
            let shutdown = shutdown.clone();
            fn_service(accept).and_then(http(app(), async move || shutdown.notified().await))
        }),
        (ListeningSocket::Tcp(listener), Some(tls)) => server.listen("http", listener, move || {
            let (tcp, acceptor) = (tcp.clone(), tls.clone());
            let accept = move |stream: TcpStream| {
                let (accepted, acceptor) = (tcp.accept(&stream), acceptor.clone());
                async move {
                    let (peer, permit) = accepted?;
                    let handshake = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                    let stream = handshake.map_err(drop)?.map_err(drop)?;
                    let stream = ClientStream::new(stream, timeouts).with_permit(permit);
                    Ok::<Accepted<_>, ()>((stream, Protocol::Http1, peer))
                }
            };
            let shutdown = shutdown.clone();
            fn_service(accept).and_then(http(app(), async move || shutdown.notified().await))
        }),
    };
    Ok(server?.run())
}

/// Serves HTTP on connections, until `shutdown` asks them to end.
fn http<T, I, S, B>(
    app: I,
    shutdown: impl AsyncFn() + Clone + 'static,
) -> impl ServiceFactory<Accepted<T>, Config = (), Response = (), Error = (), InitError = ()>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app.into_factory().map_err(|error| error.error_response());
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let shutdown = shutdown.clone();
            async move { shutdown().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEADER_TIMEOUT)
        .client_disconnect_timeout(LINGER_TIMEOUT)
        .on_connect_ext(|stream: &ClientStream<T>, data| {
            data.insert(stream.connection());
        })
        // The configuration is for URLs in responses, of which there are none.
        .finish(map_config(app, |()| AppConfig::default()))
        .map_err(drop)
}

/// What is done with each TCP connection.
#[derive(Clone)]
struct Tcp {
    addresses: Option<AddressPermits>,
}

impl Tcp {
    /// Returns the address of the peer, and its permit. Fails if it has too many connections.
    fn accept(
        &self,
        stream: &TcpStream,
    ) -> Result<(Option<SocketAddr>, Option<AddressPermit>), ()> {
        let peer = stream.peer_addr().ok();
        let permit = match (&self.addresses, peer) {
            (Some(addresses), Some(peer)) => {
                let Some(permit) = addresses.try_acquire(peer.ip()) else {
                    metrics::counter!("merchant_otp_connections_refused_total").increment(1);
                    tracing::debug!(address = %peer.ip(), "too many connections of one address");
                    return Err(());
                };
                Some(permit)
            }
            _ => None,
        };
        limit_send_buffer(stream);
        Ok((peer, permit))
    }
}

/// The size of the send buffer that the operating system has for a connection, in bytes; Linux
/// doubles it.
///
/// By default it grows to megabytes, and a client that reads 8 KB a second makes room in it only
/// after minutes, so that it would look stalled. `TCP_USER_TIMEOUT` does not help: Linux counts the
/// time while the first segment does not fit into the window, although data are sent.
const SEND_BUFFER: usize = 128 * 1024;

/// Limits the send buffer of a connection.
fn limit_send_buffer(stream: &TcpStream) {
    if let Err(error) = SockRef::from(stream).set_send_buffer_size(SEND_BUFFER) {
        let cause = &error as &dyn std::error::Error;
        tracing::debug!(cause, "cannot limit the send buffer of a connection");
    }
}
