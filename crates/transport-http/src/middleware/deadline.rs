//! The deadline of a request.

use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::time::timeout;

use crate::error::HttpError;
use crate::extract::body::BodyProgress;
use crate::state::State;

/// Answers a request that takes too long with an error. The work that it started still completes.
///
/// The time in which the body arrives is not counted: it depends on the client, and has a separate
/// limit. For a streamed response, the head must be ready in time.
///
/// It wraps each resource, so that the request log contains the route.
pub(crate) async fn answer_in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let deadline = State::of(request.request()).limits.request_deadline;
    let seen = request.request().clone();
    let mut answer = Box::pin(next.call(request));
    let mut begin = Instant::now();
    loop {
        let rest = deadline.saturating_sub(begin.elapsed());
        if let Ok(answered) = timeout(rest, &mut answer).await {
            return answered.map(ServiceResponse::map_into_boxed_body);
        }
        begin = match seen.extensions().get() {
            Some(BodyProgress::Receiving) => Instant::now(),
            Some(BodyProgress::Complete(at)) if *at > begin => *at,
            Some(BodyProgress::Complete(_)) | None => break,
        };
    }
    Ok(ServiceResponse::from_err(HttpError::Overdue { deadline }, seen))
}
