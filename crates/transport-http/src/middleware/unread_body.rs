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
use futures_util::{Stream, StreamExt};

use crate::listener::connection::{ActiveResponse, Connection};

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
    let connection = active.as_ref().map(ActiveResponse::connection);
    let body = SharedBody(Rc::new((RefCell::new(request.take_payload()), connection)));
    request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
    let response = next.call(request).await?;
    let unread = if has_ended(&mut body.clone()).await { None } else { Some(body) };
    Ok(response.map_body(|_, body| Answer { body: body.boxed(), _unread: unread, _active: active }))
}

/// Skips the rest of a body that has arrived already. Returns whether it has ended: the connection
/// can be kept then.
async fn has_ended(body: &mut SharedBody) -> bool {
    const MAX_SKIPPED: usize = 64 * 1024;
    let (mut skipped, mut yielded) = (0, false);
    while skipped <= MAX_SKIPPED {
        match poll_fn(|context| Poll::Ready(body.poll_next_unpin(context))).await {
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
#[derive(Clone)]
struct SharedBody(Rc<(RefCell<Payload>, Option<Rc<Connection>>)>);

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (payload, connection) = &*self.0;
        let polled = payload.borrow_mut().poll_next_unpin(context);
        if let Some(connection) = connection.as_ref().filter(|_| polled.is_pending()) {
            connection.body_is_incomplete();
        }
        polled
    }
}

/// A response body that references the request body if that was not read.
pub(crate) struct Answer {
    body: BoxBody,
    _unread: Option<SharedBody>,
    _active: Option<ActiveResponse>,
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
        Pin::new(&mut self.body).poll_next(context)
    }
}
