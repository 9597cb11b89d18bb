//! Group commit and request coalescing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use merchant_otp_ports::{StoreError, StoreResult};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::Instant;

/// The most requests of one batch.
const MAX_BATCH: usize = 256;

/// The most requests in the queue; more are rejected, for waiting longer gains nothing.
const MAX_QUEUED: usize = 4096;

/// Requests queued for longer are rejected: the caller has probably timed out.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// After a batch fails, its requests are executed individually for at most this long.
const FALLBACK_BUDGET: Duration = Duration::from_secs(2);

/// A source of connections for a [`Batcher`].
pub trait Acquire: Clone + Send + Sync + 'static {
    /// A connection, given back when it is dropped.
    type Connection: Send;

    /// Whether a worker waits for its connection before it drains the queue.
    ///
    /// Then requests that arrive meanwhile join the batch: right where threads take turns at one
    /// connection (SQLite's writer; without it POST at 64 connections is 6 % slower). Where two
    /// batchers of one thread share a connection, batches that are ready when it is free overlap
    /// better (PostgreSQL's look-ups; with it GET at 64 connections is 4 % slower).
    const ACQUIRE_FIRST: bool;

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] or [`StoreError::Unavailable`].
    fn acquire(&self) -> impl Future<Output = StoreResult<Self::Connection>> + Send;
}

/// The result of each request of a batch, in their order, or why the batch as a whole failed.
pub type BatchResults<A> = StoreResult<Vec<StoreResult<A>>>;

type Reply<A> = oneshot::Sender<StoreResult<A>>;

/// A queue before a database: one worker executes all requests at once that arrived while it
/// executed the last ones.
///
/// What a transaction or a round trip costs is shared by concurrent requests, and no request waits
/// for others to arrive. A request that was started is executed to its end, even if its caller is
/// dropped. One that fails alone does not fail the others.
///
/// The worker is a task on the runtime of the thread that makes the batcher, and ends with the
/// batcher. On the runtime of an HTTP worker the requests, the worker and its connection share one
/// thread, so that a request wakes no other thread.
pub struct Batcher<R, A>(mpsc::Sender<Queued<R, A>>);

struct Queued<R, A> {
    since: Instant,
    request: R,
    reply: Reply<A>,
}

impl<R, A> Batcher<R, A>
where
    R: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    /// Starts a worker that gets a connection from `pool` for each batch, and calls `execute` with
    /// both.
    ///
    /// `name` is the label `batch` of the histogram `merchant_otp_batch_requests`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<P, F, Fut>(name: &'static str, pool: P, execute: F) -> Self
    where
        P: Acquire,
        F: Fn(P, P::Connection, Arc<[R]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = BatchResults<A>> + Send + 'static,
    {
        let (sender, queue) = mpsc::channel(MAX_QUEUED);
        tokio::spawn(work(name, queue, pool, execute));
        Self(sender)
    }

    /// Executes a request as part of the next batch.
    ///
    /// # Errors
    ///
    /// The [`StoreError`] of the request or of its batch; [`StoreError::Busy`] if too many requests
    /// are queued, or this one for too long; [`StoreError::Unavailable`] if the runtime of the
    /// worker ended.
    pub async fn run(&self, request: R) -> StoreResult<A> {
        let (reply, result) = oneshot::channel();
        let queued = Queued { since: Instant::now(), request, reply };
        // If the worker has ended, the result reports it.
        if let Err(TrySendError::Full(_)) = self.0.try_send(queued) {
            return Err(StoreError::Busy("too many requests are queued".into()));
        }
        result.await.map_err(|ended| StoreError::Unavailable(ended.into()))?
    }
}

/// The worker: executes batches until the batcher is dropped.
async fn work<R, A, P, F, Fut>(
    name: &'static str,
    mut queue: mpsc::Receiver<Queued<R, A>>,
    pool: P,
    execute: F,
) where
    R: Clone + Send + Sync + 'static,
    A: Send + 'static,
    P: Acquire,
    F: Fn(P, P::Connection, Arc<[R]>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = BatchResults<A>> + Send + 'static,
{
    let batch_size = metrics::histogram!("merchant_otp_batch_requests", "batch" => name);
    // A panic costs its connection, and not the requests that are queued.
    let execute = async |connection: StoreResult<P::Connection>, requests: Arc<[R]>| {
        let results =
            AssertUnwindSafe(async { execute(pool.clone(), connection?, requests).await });
        let panicked = |_| Err(StoreError::Write("a unit of work panicked".into()));
        results.catch_unwind().await.unwrap_or_else(panicked)
    };
    while let Some(first) = queue.recv().await {
        let Some(first) = first.if_wanted() else { continue };
        // On a runtime of one thread this polls the sockets: the requests that have arrived, of
        // clients that got their answer just now for example, join the batch.
        yield_now().await;
        let acquired = if P::ACQUIRE_FIRST { Some(pool.acquire().await) } else { None };
        let (requests, replies) = drain(first, &mut queue);
        if requests.is_empty() {
            continue;
        }
        // At most 256.
        batch_size.record(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        let connection = if let Some(it) = acquired { it } else { pool.acquire().await };
        let begin = Instant::now();
        match execute(connection, Arc::clone(&requests)).await {
            // One of the requests failed the batch: it must not fail the others. But without a
            // connection for the batch there is none for each, and what took long is not executed
            // again for each.
            Err(mut error) if requests.len() > 1 && may_retry(&error, begin) => {
                let begin = Instant::now();
                for (request, reply) in requests.iter().zip(replies) {
                    let mut result = Err(error.clone());
                    if may_retry(&error, begin) {
                        result = execute(pool.acquire().await, [request.clone()].into()).await;
                    }
                    if let Err(other @ (StoreError::Unavailable(_) | StoreError::Busy(_))) = &result
                    {
                        error = other.clone();
                    }
                    answer([reply], result);
                }
            }
            results => answer(replies, results),
        }
    }
}

/// Sends each caller the result of its request, or the error of the batch.
fn answer<A>(replies: impl IntoIterator<Item = Reply<A>>, results: BatchResults<A>) {
    let (mut results, error) = match results {
        Ok(results) => (results.into_iter(), StoreError::Read("a request has no result".into())),
        Err(error) => (Vec::new().into_iter(), error),
    };
    for reply in replies {
        // The caller may be gone.
        drop(reply.send(results.next().unwrap_or_else(|| Err(error.clone()))));
    }
}

/// Whether requests may be executed one by one after a failure: the database can be reached, and
/// there is time left.
fn may_retry(error: &StoreError, since: Instant) -> bool {
    !matches!(error, StoreError::Unavailable(_) | StoreError::Busy(_))
        && since.elapsed() <= FALLBACK_BUDGET
}

impl<R, A> Queued<R, A> {
    /// The request, unless its caller is gone; rejects it if it was queued for too long.
    fn if_wanted(self) -> Option<Self> {
        if self.since.elapsed() > QUEUE_TIMEOUT {
            let late = StoreError::Busy("the request was queued for too long".into());
            drop(self.reply.send(Err(late)));
            return None;
        }
        if self.reply.is_closed() { None } else { Some(self) }
    }
}

/// Takes a batch out of the queue, without the requests that are not wanted any more.
fn drain<R, A>(
    first: Queued<R, A>,
    queue: &mut mpsc::Receiver<Queued<R, A>>,
) -> (Arc<[R]>, Vec<Reply<A>>) {
    let (mut requests, mut replies) = (Vec::new(), Vec::new());
    let mut next = Some(first);
    while let Some(queued) = next {
        if let Some(Queued { request, reply, .. }) = queued.if_wanted() {
            requests.push(request);
            replies.push(reply);
        }
        next = if requests.len() < MAX_BATCH { queue.try_recv().ok() } else { None };
    }
    (requests.into(), replies)
}
