use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use merchant_otp_ports::{Cause, StoreError};
use tokio::sync::oneshot;

use crate::door::store_error;
use crate::{Connector, Door, Failure};

/// How many requests are done at a time at the most.
const BATCH: usize = 256;

/// How many requests wait at the most; more are refused, for nothing is gained by waiting longer.
const WAITING: usize = 4096;

/// How long requests wait, or are tried, at the most: who asked has given up long before it is minutes.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long the requests of a batch that failed are tried one by one.
const ONE_BY_ONE: Duration = Duration::from_secs(2);

/// Does requests in one unit of work, all or nothing of it; answers each, in their order.
///
/// What is wrong with one of them alone is its own answer; the whole fails where the database does.
pub type Batch<C, R, A> = fn(&mut C, &[R]) -> Result<Vec<Result<A, Failure>>, Failure>;

/// A queue before a door: does, at a time, all requests that came while the last ones were done.
///
/// What a transaction or a round trip costs is shared by those who come at once, and nobody waits for
/// others to come. A request that was begun is done, whatever becomes of the future that waits for it.
pub struct Lane<R, A> {
    queue: Arc<Queue<R, A>>,
}

struct Queue<R, A> {
    state: Mutex<State<R, A>>,
    came: Condvar,
}

struct State<R, A> {
    waiting: VecDeque<Waiting<R, A>>,
    closed: bool,
}

struct Waiting<R, A> {
    since: Instant,
    request: R,
    answer: Answer<A>,
}

type Answer<A> = oneshot::Sender<Result<A, StoreError>>;

impl<R: Send + 'static, A: Send + 'static> Lane<R, A> {
    /// Opens a lane to a door with so many threads, which end when the lane is dropped.
    ///
    /// When `batch` fails, its requests are done one by one for a while, so that each gets the answer that
    /// it would have got alone. Who waits for longer than 5 seconds is refused.
    ///
    /// # Panics
    ///
    /// If the operating system starts no thread.
    #[must_use]
    pub fn new<C: Connector>(
        door: &Arc<Door<C>>,
        threads: u16,
        name: &str,
        batch: Batch<C::Connection, R, A>,
    ) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        let queue = Arc::new(Queue { state: Mutex::new(state), came: Condvar::new() });
        for _ in 0..threads {
            let (door, queue) = (Arc::clone(door), Arc::clone(&queue));
            let batch_size =
                metrics::histogram!("merchant_otp_batch_requests", "lane" => name.to_owned());
            let serve = move || {
                let _runtime = door.runtime().enter();
                while let Some(waiting) = queue.next() {
                    // At most 256.
                    batch_size.record(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
                    work(&door, waiting, batch);
                }
            };
            let thread = thread::Builder::new().name(name.to_owned()).spawn(serve);
            #[expect(clippy::expect_used, reason = "as the runtime does with its own")]
            thread.expect("a thread");
        }
        Self { queue }
    }

    /// Has a request done.
    ///
    /// # Errors
    ///
    /// [`StoreError`], as [`Door::run`].
    pub async fn run(&self, request: R) -> Result<A, StoreError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            if state.waiting.len() >= WAITING {
                return Err(StoreError::Busy("too many wait in the lane".into()));
            }
            let since = Instant::now();
            state.waiting.push_back(Waiting { since, request, answer });
        }
        self.queue.came.notify_one();
        answered.await.unwrap_or_else(|stopped| Err(StoreError::Unavailable(stopped.into())))
    }
}

impl<R, A> Drop for Lane<R, A> {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.came.notify_all();
    }
}

impl<R, A> Queue<R, A> {
    /// Nothing panics between two changes of the state.
    fn lock(&self) -> MutexGuard<'_, State<R, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for requests, and takes what there is; `None` when no more come.
    fn next(&self) -> Option<Vec<Waiting<R, A>>> {
        let mut state = self.lock();
        loop {
            if state.waiting.is_empty() {
                if state.closed {
                    return None;
                }
                state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // Whoever got an answer just now may ask again, and gets the processor first for that.
            drop(state);
            thread::yield_now();
            state = self.lock();
            let length = state.waiting.len().min(BATCH);
            // Another thread may have taken them.
            if length > 0 {
                return Some(state.waiting.drain(..length).collect());
            }
        }
    }
}

/// Does requests at once, or if that fails one by one, and answers them.
fn work<C: Connector, R, A>(
    door: &Door<C>,
    waiting: Vec<Waiting<R, A>>,
    batch: Batch<C::Connection, R, A>,
) {
    let (requests, answers) = still_wanted(waiting);
    if requests.is_empty() {
        return;
    }
    let begin = Instant::now();
    match attempt(door, &requests, batch) {
        Ok(done) => answers.into_iter().zip(done).for_each(|(answer, done)| send(answer, done)),
        // Where there is no connection for all, there is none for each; and what took long is not tried
        // again for each.
        Err(error)
            if requests.len() == 1
                || matches!(error, StoreError::Unavailable(_) | StoreError::Busy(_))
                || begin.elapsed() > ONE_BY_ONE =>
        {
            refuse(answers, error);
        }
        Err(error) => one_by_one(door, &requests, answers, batch, error),
    }
}

/// The requests that somebody still waits for, and not too long.
fn still_wanted<R, A>(waiting: Vec<Waiting<R, A>>) -> (Vec<R>, Vec<Answer<A>>) {
    let wanted = waiting.into_iter().filter_map(|Waiting { since, request, answer }| {
        if answer.is_closed() {
            return None;
        }
        if since.elapsed() > PATIENCE {
            send(answer, Err(StoreError::Busy("it waited too long in the lane".into())));
            return None;
        }
        Some((request, answer))
    });
    wanted.unzip()
}

/// Does requests one by one while there is time; those after that get the error of all.
fn one_by_one<C: Connector, R, A>(
    door: &Door<C>,
    requests: &[R],
    answers: Vec<Answer<A>>,
    batch: Batch<C::Connection, R, A>,
    error: StoreError,
) {
    let begin = Instant::now();
    let mut answers = answers.into_iter();
    for request in requests {
        if begin.elapsed() > ONE_BY_ONE {
            break;
        }
        let Some(answer) = answers.next() else { return };
        let done = attempt(door, slice::from_ref(request), batch);
        let done = done.and_then(|done| done.into_iter().next().unwrap_or_else(no_answer));
        match done {
            Err(failed @ (StoreError::Unavailable(_) | StoreError::Busy(_))) => {
                return refuse(iter::once(answer).chain(answers), failed);
            }
            done => send(answer, done),
        }
    }
    refuse(answers, error);
}

fn no_answer<A>() -> Result<A, StoreError> {
    Err(StoreError::Unavailable("a request without an answer".into()))
}

fn attempt<C: Connector, R, A>(
    door: &Door<C>,
    requests: &[R],
    batch: Batch<C::Connection, R, A>,
) -> Result<Vec<Result<A, StoreError>>, StoreError> {
    let run = || door.run_blocking(|connection| batch(connection, requests));
    // A panic costs its connection, which is dropped on the way, and not the thread.
    let done = catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(StoreError::Write("a unit of work panicked".into())))?;
    Ok(done.into_iter().map(|one| one.map_err(store_error::<C>)).collect())
}

fn send<A>(answer: Answer<A>, result: Result<A, StoreError>) {
    // Who gave up waiting needs no answer.
    let _gave_up = answer.send(result);
}

/// Answers all of them with one error.
fn refuse<A>(answers: impl IntoIterator<Item = Answer<A>>, error: StoreError) {
    let (kind, cause): (fn(Cause) -> StoreError, _) = match error {
        StoreError::Unavailable(cause) => (StoreError::Unavailable, cause),
        StoreError::Busy(cause) => (StoreError::Busy, cause),
        StoreError::Read(cause) => (StoreError::Read, cause),
        StoreError::Write(cause) => (StoreError::Write, cause),
        StoreError::Contention(cause) => (StoreError::Contention, cause),
        StoreError::Corrupt(cause) => (StoreError::Corrupt, cause),
    };
    let cause = Shared(cause.into());
    for answer in answers {
        send(answer, Err(kind(cause.clone().into())));
    }
}

/// A cause that several have.
#[derive(Clone, Debug)]
struct Shared(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
