//! What the stream of a connection and the middleware share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use actix_web::dev::ServiceRequest;
use actix_web::rt::time::Instant;

/// The number of empty lines and of bytes that were received.
///
/// Each request head ends with an empty line, so this bounds the requests that actix-http holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    pub(crate) empty_lines: usize,
    pub(crate) bytes: usize,
}

/// The state of a connection, shared by its stream and the middleware.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Since when the connection waits for a request; `None` while a request is being answered.
    waiting_since: Cell<Option<Instant>>,
    /// What actix-http received since it last had no request to answer, or since the body of the
    /// current request was last found incomplete.
    received: Cell<Received>,
    /// The task of the connection, if reading is paused.
    paused: RefCell<Option<Waker>>,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            waiting_since: Cell::new(Some(Instant::now())),
            received: Cell::default(),
            paused: RefCell::default(),
        }
    }

    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since.get()
    }

    pub(crate) fn received(&self) -> Received {
        self.received.get()
    }

    pub(crate) fn set_received(&self, received: Received) {
        self.received.set(received);
    }

    /// Wakes the task of the connection when reading can continue.
    pub(crate) fn pause(&self, context: &Context<'_>) {
        *self.paused.borrow_mut() = Some(context.waker().clone());
    }

    /// Continues reading, if it is paused.
    pub(crate) fn resume(&self) {
        if let Some(paused) = self.paused.borrow_mut().take() {
            paused.wake();
        }
    }

    /// Records that actix-http has no more of the request body: all that it received belongs to the
    /// body, and no further request waits.
    pub(crate) fn body_is_incomplete(&self) {
        self.received.take();
        self.resume();
    }
}

/// Marks the request of a connection as being answered, until dropped.
pub(crate) struct ActiveResponse(Rc<Connection>);

impl ActiveResponse {
    /// Marks a request. `None` if it did not come from a connection, as in tests.
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        let connection = Rc::clone(request.request().conn_data::<Rc<Connection>>()?);
        connection.waiting_since.set(None);
        Some(Self(connection))
    }

    /// Returns the connection.
    pub(crate) fn connection(&self) -> Rc<Connection> {
        Rc::clone(&self.0)
    }
}

impl Drop for ActiveResponse {
    fn drop(&mut self) {
        self.0.waiting_since.set(Some(Instant::now()));
        self.0.resume();
    }
}
