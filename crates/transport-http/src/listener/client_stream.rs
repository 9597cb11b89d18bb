//! The stream of a connection, as actix-http reads and writes it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::time::{Instant, Sleep, sleep};
use memchr::memchr_iter;
use merchant_otp_transport_kit::AddressPermit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listener::connection::{Connection, Received};

/// How long the head of the first request of a connection may take to arrive. actix-http enforces
/// it, and answers 408.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept after an answer. actix-http enforces it.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The maximum number of empty lines that actix-http receives before it has handled the requests.
///
/// It may receive them twice: once more after it found a body incomplete of which it had not read
/// all. So it holds 16 requests at most.
const MAX_EMPTY_LINES: usize = 8;

/// The maximum number of bytes that actix-http receives before it has handled the requests, so that
/// it does not hold several long heads.
const MAX_BYTES: usize = 16 * 1024;

/// How long a connection may take.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    /// How long a client may take nothing of a response.
    pub(crate) stall: Duration,
    /// How long a connection may last, if that is limited.
    pub(crate) max_age: Option<Duration>,
}

/// A stream that bounds what a client can make actix-http hold, and how long it can stall.
///
/// actix-http reads while it answers, and turns all that it has read into requests, of several
/// kilobytes each. A client that sends many small requests and reads no response would take any
/// amount of memory. So this stream does not read while requests wait or the client does not read
/// its responses. It does not parse requests: it counts empty lines, of which each head has one.
///
/// actix-http would wait forever for the rest of the head of a later request, and for a client that
/// does not read its response. Then reading or writing fails, and actix-http drops the connection.
pub(crate) struct ClientStream<T> {
    stream: T,
    connection: Rc<Connection>,
    /// What was read and not yet passed on.
    rest: Rest,
    /// Whether the line that is being received is empty so far.
    is_line_empty: bool,
    /// Whether actix-http had time to handle what it received.
    is_handled: bool,
    /// Since when the client takes no data, if data wait to be written.
    blocked_since: Option<Instant>,
    /// How long it may take no data.
    stall_timeout: Duration,
    /// When the connection ends at the latest.
    end: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    _permit: Option<AddressPermit>,
}

impl<T> ClientStream<T> {
    pub(crate) fn new(stream: T, timeouts: Timeouts) -> Self {
        Self {
            stream,
            connection: Rc::new(Connection::new()),
            rest: Rest::default(),
            is_line_empty: true,
            is_handled: true,
            blocked_since: None,
            stall_timeout: timeouts.stall,
            end: timeouts.max_age.map(|age| Instant::now() + age),
            timer: Box::pin(sleep(HEADER_TIMEOUT)),
            _permit: None,
        }
    }

    /// Holds the permit of the connection.
    pub(crate) fn with_permit(self, permit: Option<AddressPermit>) -> Self {
        Self { _permit: permit, ..self }
    }

    /// Returns the state that the middleware uses.
    pub(crate) fn connection(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }

    /// Fails after a point in time; wakes the task then.
    fn poll_deadline(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            if deadline <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            // Setting a timer is expensive: one that is too early is only extended when it fires.
            if self.timer.deadline() > deadline {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(context));
            self.timer.as_mut().reset(deadline);
        }
    }

    /// Returns how many of these bytes may be passed on, and counts them and their empty lines.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut received = self.connection.received();
        let most = MAX_BYTES.saturating_sub(received.bytes);
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let mut begin = 0;
        for end in memchr_iter(b'\n', bytes) {
            if self.is_line_empty && is_empty(bytes.get(begin..end).unwrap_or_default()) {
                received.empty_lines += 1;
            }
            self.is_line_empty = true;
            begin = end + 1;
            if received.empty_lines == MAX_EMPTY_LINES {
                break;
            }
        }
        let admitted = if received.empty_lines < MAX_EMPTY_LINES {
            self.is_line_empty &= is_empty(bytes.get(begin..).unwrap_or_default());
            bytes.len()
        } else {
            begin
        };
        received.bytes += admitted;
        self.connection.set_received(received);
        admitted
    }

    /// Whether actix-http has to handle what it received first.
    fn is_full(&self) -> bool {
        let received = self.connection.received();
        received.empty_lines >= MAX_EMPTY_LINES || received.bytes >= MAX_BYTES
    }
}

/// Whether a line has no content. A carriage return may be part of the line's end.
fn is_empty(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\r')
}

/// Bytes that were read and not yet passed on.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    begin: usize,
}

impl Rest {
    fn get(&self) -> &[u8] {
        self.bytes.get(self.begin..).unwrap_or_default()
    }

    fn advance(&mut self, length: usize) {
        self.begin += length;
        if self.get().is_empty() {
            // Releases the memory: most connections never need it.
            *self = Self::default();
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ClientStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(end) = this.end
            && let Poll::Ready(error) = this.poll_deadline(end, context)
        {
            return Poll::Ready(Err(error));
        }
        let waiting_since = this.connection.waiting_since();
        if this.is_handled && waiting_since.is_some() {
            this.connection.set_received(Received::default());
        }
        this.is_handled = false;
        if this.blocked_since.is_some() {
            this.is_handled = true;
            this.connection.pause(context);
            return Poll::Pending;
        }
        if this.is_full() {
            this.is_handled = true;
            if waiting_since.is_none() {
                this.connection.pause(context);
            } else {
                // Only lets actix-http handle them.
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        if !this.rest.get().is_empty() {
            let rest = std::mem::take(&mut this.rest);
            let bytes = rest.get();
            let bytes = bytes.get(..buffer.remaining()).unwrap_or(bytes);
            let admitted = this.admit(bytes);
            buffer.put_slice(bytes.get(..admitted).unwrap_or_default());
            this.rest = rest;
            this.rest.advance(admitted);
            return Poll::Ready(Ok(()));
        }
        let filled = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().get(filled..).unwrap_or_default();
                let admitted = this.admit(read);
                if admitted < read.len() {
                    let rest = read.get(admitted..).unwrap_or_default();
                    this.rest = Rest { bytes: rest.to_vec(), begin: 0 };
                    buffer.set_filled(filled + admitted);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.is_handled = true;
                let Some(since) = waiting_since else { return Poll::Pending };
                this.poll_deadline(since + KEEP_ALIVE + HEADER_TIMEOUT, context).map(Err)
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ClientStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if written.is_pending() {
            let since = *this.blocked_since.get_or_insert_with(Instant::now);
            let expired = this.poll_deadline(since + this.stall_timeout, context);
            return expired.map(|error| Err(log_stall(error)));
        }
        if this.blocked_since.take().is_some() {
            this.connection.resume();
        }
        written.map_err(log_stall)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Logs that a client took no data for too long.
fn log_stall(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::TimedOut {
        tracing::info!("client does not read; closed connection");
    }
    error
}
