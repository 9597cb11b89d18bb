//! Closing of connections whose client stalls.

use std::any::Any;
use std::cell::Cell;
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, ServiceRequest};
use actix_web::rt;
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::rt::task::JoinHandle;
use actix_web::rt::time::sleep;
use socket2::{SockRef, Socket};

/// How long the head of the first request of a connection may take to arrive. actix-http enforces
/// it, and answers 408.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept after an answer. actix-http enforces it.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How often a connection is checked while the service works on its request.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Closes a connection whose client stalls.
///
/// actix-http does so for the head of the first request, and for idle connections. It would wait
/// forever for the rest of the head of a later request, and for a client that does not read its
/// response. In these cases the socket is shut down here, and actix-http drops the connection.
pub(crate) struct Connection {
    /// A duplicate of the socket; the connection is closed when both are.
    socket: Socket,
    waits_for: Cell<WaitsFor>,
    watch: Cell<Option<JoinHandle<()>>>,
}

/// What a connection waits for.
#[derive(Clone, Copy)]
enum WaitsFor {
    /// The next request, since this time.
    Request(Instant),
    /// The service, to produce the response.
    Answer,
    /// The client, to read more of a response, since this time.
    Client(Instant),
}

/// Watches a new connection; for `HttpServer::on_connect`.
pub(crate) fn watch(stream: &dyn Any, data: &mut Extensions, stall_timeout: Duration) {
    let socket = if let Some(stream) = stream.downcast_ref::<TcpStream>() {
        SockRef::from(stream).try_clone()
    } else if let Some(stream) = stream.downcast_ref::<TlsStream<TcpStream>>() {
        SockRef::from(stream.get_ref().0).try_clone()
    } else if let Some(stream) = stream.downcast_ref::<UnixStream>() {
        SockRef::from(stream).try_clone()
    } else {
        return;
    };
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => {
            // No file descriptor is left. The connection is served, but not watched.
            tracing::warn!(cause = &error as &dyn std::error::Error, "connection not watched");
            return;
        }
    };
    let waits_for = Cell::new(WaitsFor::Request(Instant::now()));
    let connection = Rc::new(Connection { socket, waits_for, watch: Cell::default() });
    connection.watch.set(Some(rt::spawn(close_stalled(Rc::downgrade(&connection), stall_timeout))));
    data.insert(connection);
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

async fn close_stalled(connection: Weak<Connection>, stall_timeout: Duration) {
    while let Some(open) = connection.upgrade() {
        let rest = match open.waits_for.get() {
            WaitsFor::Request(since) => {
                (KEEP_ALIVE + HEADER_TIMEOUT).saturating_sub(since.elapsed())
            }
            WaitsFor::Answer => POLL_INTERVAL,
            WaitsFor::Client(since) => stall_timeout.saturating_sub(since.elapsed()),
        };
        if rest.is_zero() {
            let _closed_already = open.socket.shutdown(Shutdown::Both);
            return;
        }
        drop(open);
        // `waits_for` may change at any time.
        sleep(rest.min(stall_timeout)).await;
    }
}

/// Marks the request of a connection as being answered, until dropped.
pub(crate) struct ActiveResponse(Rc<Connection>);

impl ActiveResponse {
    /// Marks a request, if its connection is watched.
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        let connection = Rc::clone(request.request().conn_data::<Rc<Connection>>()?);
        connection.waits_for.set(WaitsFor::Answer);
        Some(Self(connection))
    }

    /// Records that the service works on the next chunk.
    pub(crate) fn work(&self) {
        self.0.waits_for.set(WaitsFor::Answer);
    }

    /// Records that a chunk was written. The next one is requested when the client has read enough.
    pub(crate) fn chunk_written(&self) {
        self.0.waits_for.set(WaitsFor::Client(Instant::now()));
    }
}

impl Drop for ActiveResponse {
    fn drop(&mut self) {
        self.0.waits_for.set(WaitsFor::Request(Instant::now()));
    }
}
