use std::cell::RefCell;
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

/// Closes the connection after an answer that came before the end of the request's body.
///
/// actix-http does so by itself when the length of the body was announced, or when the body is still
/// held by somebody; a chunked one that nobody holds is read to its end first, however far that is. So
/// the body of the answer holds it.
pub(crate) async fn close_after_unread_body(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer>, actix_web::Error> {
    let payload = Rc::new(RefCell::new(request.take_payload()));
    let shared = Box::pin(SharedPayload(Rc::clone(&payload)));
    request.set_payload(Payload::Stream { payload: shared });
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Answer { body: body.boxed(), _payload: payload }))
}

/// The body of a request, as the handler reads it.
struct SharedPayload(Rc<RefCell<Payload>>);

impl Stream for SharedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, which holds that of its request.
pub(crate) struct Answer {
    body: BoxBody,
    _payload: Rc<RefCell<Payload>>,
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
