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

/// The maximum number of requests in a batch.
const MAX_BATCH: usize = 256;

/// The maximum number of queued requests; more are rejected, because a longer wait gains nothing.
const MAX_QUEUED: usize = 4096;

/// Requests queued for longer are rejected: the caller has probably timed out.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// After a batch fails, its requests are executed individually for at most this long.
const FALLBACK_BUDGET: Duration = Duration::from_secs(2);

/// A source of connections for a [`Batcher`].
pub trait Acquire: Clone + Send + Sync + 'static {
    /// A connection, which is released when it is dropped.
    type Connection: Send;

    /// Whether a worker acquires its connection before it drains the queue.
    ///
    /// If so, requests that arrive meanwhile join the batch. This suits a connection that threads
    /// use in turn, such as SQLite's write connection: without it, POST at 64 connections is 6 %
    /// slower. If two batchers of one thread share a connection, as for look-ups on PostgreSQL,
    /// batches that are ready when the connection becomes free overlap better: with it, GET at 64
    /// connections is 4 % slower.
    const ACQUIRE_FIRST: bool;

    /// Acquires a connection.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] or [`StoreError::Unavailable`].
    fn acquire(&self) -> impl Future<Output = StoreResult<Self::Connection>> + Send;
}

/// The results of the requests of a batch, in their order, or the error of the whole batch.
pub type BatchResults<A> = StoreResult<Vec<StoreResult<A>>>;

type Reply<A> = oneshot::Sender<StoreResult<A>>;

/// A queue in front of a database with one worker, which executes requests in batches. A batch
/// consists of the requests that arrived while the previous batch was executed.
///
/// Concurrent requests share the cost of a transaction or a round trip, and no request waits for
/// others to arrive. A started request runs to completion, even if its caller is dropped. A request
/// that fails on its own does not fail the others.
///
/// The worker is a task on the runtime of the thread that creates the batcher, and ends with the
/// batcher. On the runtime of an HTTP worker, the requests, the worker and its connection share one
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
    /// Starts a worker that acquires a connection from `pool` for each batch and passes both to
    /// `execute`.
    ///
    /// `name` is the value of the label `batch` in the histogram `merchant_otp_batch_requests`.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
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
    /// are queued or this one was queued for too long; [`StoreError::Unavailable`] if the runtime
    /// of the worker has ended.
    pub async fn run(&self, request: R) -> StoreResult<A> {
        let (reply, result) = oneshot::channel();
        let queued = Queued { since: Instant::now(), request, reply };
        // If the worker has ended, awaiting the result reports it.
        if let Err(TrySendError::Full(_)) = self.0.try_send(queued) {
            return Err(StoreError::Busy("too many requests are queued".into()));
        }
        result.await.map_err(|ended| StoreError::Unavailable(ended.into()))?
    }
}

/// Runs the worker: executes batches until the batcher is dropped.
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
    // A panic fails its batch but not the queued requests.
    let execute = async |connection: StoreResult<P::Connection>, requests: Arc<[R]>| {
        let results =
            AssertUnwindSafe(async { execute(pool.clone(), connection?, requests).await });
        let panicked = |_| Err(StoreError::Write("a unit of work panicked".into()));
        results.catch_unwind().await.unwrap_or_else(panicked)
    };
    while let Some(first) = queue.recv().await {
        let Some(first) = first.if_wanted() else { continue };
        // On a single-threaded runtime this polls the sockets, so that requests that have arrived
        // join the batch, for example those of clients that have just received a response.
        yield_now().await;
        let acquired = if P::ACQUIRE_FIRST { Some(pool.acquire().await) } else { None };
        let (requests, replies) = drain(first, &mut queue);
        if requests.is_empty() {
            continue;
        }
        // At most `MAX_BATCH`.
        batch_size.record(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        let connection = if let Some(it) = acquired { it } else { pool.acquire().await };
        let begin = Instant::now();
        match execute(connection, Arc::clone(&requests)).await {
            // A single request may have failed the batch and must not fail the others. They are not
            // executed one by one, however, if there was no connection or if the batch took long.
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

/// Whether requests may be executed one by one after a failure: the database is reachable and the
/// budget is not used up.
fn may_retry(error: &StoreError, since: Instant) -> bool {
    !matches!(error, StoreError::Unavailable(_) | StoreError::Busy(_))
        && since.elapsed() <= FALLBACK_BUDGET
}

impl<R, A> Queued<R, A> {
    /// Returns the request unless its caller is gone. Rejects it if it was queued for too long.
    fn if_wanted(self) -> Option<Self> {
        if self.since.elapsed() > QUEUE_TIMEOUT {
            let late = StoreError::Busy("the request was queued for too long".into());
            drop(self.reply.send(Err(late)));
            return None;
        }
        if self.reply.is_closed() { None } else { Some(self) }
    }
}

/// Drains a batch from the queue, without the requests whose callers are gone or that were queued
/// for too long.
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
