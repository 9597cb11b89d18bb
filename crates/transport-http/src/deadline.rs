use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::time::timeout;
use actix_web::web::Data;

use crate::error::HttpError;
use crate::routes::App;

/// What is known of the body of a request, in its extensions.
pub(crate) enum BodyArrival {
    /// It comes, as fast as the client sends it.
    Coming,
    /// It is there since then.
    Came(Instant),
}

/// Answers a request that takes too long; what it began is done to its end all the same.
///
/// The time in which the body comes is not counted: that is the client's, and has a bound of its own. Of an
/// answer that is sent piece by piece, the head is what has to come in time.
///
/// It belongs to a resource: what is answered here is a request that the router has dealt with.
pub(crate) async fn answer_in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let deadline = request.app_data::<Data<App>>().map(|app| app.request_deadline);
    let Some(deadline) = deadline else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let seen = request.request().clone();
    let mut answer = Box::pin(next.call(request));
    let mut begin = Instant::now();
    loop {
        let rest = deadline.saturating_sub(begin.elapsed());
        if let Ok(answered) = timeout(rest, &mut answer).await {
            return answered.map(ServiceResponse::map_into_boxed_body);
        }
        begin = match seen.extensions().get() {
            Some(BodyArrival::Coming) => Instant::now(),
            Some(BodyArrival::Came(came)) if *came > begin => *came,
            Some(BodyArrival::Came(_)) | None => break,
        };
    }
    Ok(ServiceResponse::from_err(HttpError::Late { deadline }, seen))
}
