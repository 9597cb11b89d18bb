//! Responses that are sent before the end of the request body.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::Stream;

use crate::listener::connection::ActiveResponse;

/// Closes the connection after a response that was sent before the end of the request body.
///
/// actix-http does so by itself if the length of the body was announced, or if the body is still
/// referenced. It reads an unreferenced chunked body to its end first, however long that is. So the
/// response body keeps a reference to the request body.
pub(crate) async fn close_after_unread_body(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer>, actix_web::Error> {
    let active = ActiveResponse::begin(&request);
    let payload = Rc::new(RefCell::new(request.take_payload()));
    let shared = Box::pin(SharedPayload(Rc::clone(&payload)));
    request.set_payload(Payload::Stream { payload: shared });
    let response = next.call(request).await?;
    let unread = if has_ended(&payload).await { None } else { Some(payload) };
    Ok(response.map_body(|_, body| Answer {
        body: body.boxed(),
        rest: Bytes::new(),
        _unread: unread,
        active,
    }))
}

/// Skips the rest of a body that has arrived already. Returns whether it has ended: the connection
/// can be kept then.
async fn has_ended(payload: &RefCell<Payload>) -> bool {
    const MAX_SKIPPED: usize = 64 * 1024;
    let (mut skipped, mut yielded) = (0, false);
    while skipped <= MAX_SKIPPED {
        let next =
            poll_fn(|context| Poll::Ready(Pin::new(&mut *payload.borrow_mut()).poll_next(context)));
        match next.await {
            Poll::Ready(None) => return true,
            Poll::Ready(Some(Ok(chunk))) => skipped += chunk.len(),
            // Yield once: the connection then hands over what arrived with the head.
            Poll::Pending if !yielded => {
                yield_once().await;
                yielded = true;
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
        }
    }
    false
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The body of a request, as the handler reads it.
struct SharedPayload(Rc<RefCell<Payload>>);

impl Stream for SharedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The maximum size of a response chunk, in bytes. A client that reads this much in time is not too
/// slow.
const CHUNK: usize = 16 * 1024;

/// A response body that reports its progress, and references the request body if that was not read.
pub(crate) struct Answer {
    body: BoxBody,
    /// The rest of the last part of the body.
    rest: Bytes,
    _unread: Option<Rc<RefCell<Payload>>>,
    active: Option<ActiveResponse>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = if self.rest.is_empty() {
            Pin::new(&mut self.body).poll_next(context)
        } else {
            Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))))
        };
        let polled = polled.map_ok(|mut part| {
            self.rest = part.split_off(part.len().min(CHUNK));
            part
        });
        if let Some(active) = &self.active {
            if polled.is_pending() { active.work() } else { active.chunk_written() }
        }
        polled
    }
}
