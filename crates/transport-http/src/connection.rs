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

/// How long the head of the first request of a connection may take to come; actix-http keeps this one, and
/// answers 408.
pub(crate) const HEAD: Duration = Duration::from_secs(5);

/// How long a connection is kept on which nothing comes after an answer; actix-http keeps it.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long a client may take nothing of an answer that is sent piece by piece.
const STANDSTILL: Duration = Duration::from_mins(1);

/// How often a connection is looked at on which a request is being answered.
const LOOK: Duration = Duration::from_secs(10);

/// Closes a connection whose client keeps the service waiting.
///
/// actix-http does so for the head of the first request, and for a connection on which nothing comes. What it
/// would wait for without end is the head of a later request that comes in part, and a client that does not
/// take its answer: the socket is shut down then, at which actix-http gives it up.
pub(crate) struct Connection {
    /// The same socket once more; it is closed when both are.
    socket: Socket,
    waits: Cell<Wait>,
    watch: Cell<Option<JoinHandle<()>>>,
}

/// What a connection waits for.
#[derive(Clone, Copy)]
enum Wait {
    /// The next request, since then.
    Request(Instant),
    /// The service itself.
    Answer,
    /// The client, to take more of an answer, since then.
    Client(Instant),
}

/// Watches a connection that was made just now; for `HttpServer::on_connect`.
pub(crate) fn watch(stream: &dyn Any, data: &mut Extensions) {
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
            // No descriptor is left. The connection is served, and not watched.
            tracing::warn!(cause = &error as &dyn std::error::Error, "a connection is not watched");
            return;
        }
    };
    let waits = Cell::new(Wait::Request(Instant::now()));
    let connection = Rc::new(Connection { socket, waits, watch: Cell::default() });
    connection.watch.set(Some(rt::spawn(close_when_late(Rc::downgrade(&connection)))));
    data.insert(connection);
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

async fn close_when_late(connection: Weak<Connection>) {
    while let Some(open) = connection.upgrade() {
        let rest = match open.waits.get() {
            Wait::Request(since) => (KEEP_ALIVE + HEAD).saturating_sub(since.elapsed()),
            Wait::Answer => LOOK,
            Wait::Client(since) => STANDSTILL.saturating_sub(since.elapsed()),
        };
        if rest.is_zero() {
            let _closed_already = open.socket.shutdown(Shutdown::Both);
            return;
        }
        drop(open);
        sleep(rest).await;
    }
}

/// A request that is being answered, until this is dropped.
pub(crate) struct Answering(Rc<Connection>);

impl Answering {
    /// Begins with a request, if its connection is watched.
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        let connection = Rc::clone(request.request().conn_data::<Rc<Connection>>()?);
        connection.waits.set(Wait::Answer);
        Some(Self(connection))
    }

    /// The service has more of the answer to do.
    pub(crate) fn work(&self) {
        self.0.waits.set(Wait::Answer);
    }

    /// A part of the answer is done; the next one is asked for when the client has taken enough.
    pub(crate) fn hand_over(&self) {
        self.0.waits.set(Wait::Client(Instant::now()));
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.waits.set(Wait::Request(Instant::now()));
    }
}
