use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use merchant_otp_ports::{Cause, StoreError};
use tokio::sync::oneshot;

use crate::{Connector, Door, Failure};

/// How many requests are done at a time at the most.
const BATCH: usize = 256;

/// How many requests wait at the most; more are refused, for nothing is gained by waiting longer.
const WAITING: usize = 4096;

/// Does requests in one unit of work, all or nothing of it; answers each, in their order.
pub type Batch<C, R, A> = fn(&mut C, &[R]) -> Result<Vec<A>, Failure>;

/// A queue before a door: does, at a time, all requests that came while the last ones were done.
///
/// What a transaction or a round trip costs is shared by those who come at once, and nobody waits for
/// others to come. A request that is in the queue is done, whatever becomes of the future that waits for it.
pub struct Lane<R, A> {
    queue: Arc<Queue<R, A>>,
}

struct Queue<R, A> {
    state: Mutex<State<R, A>>,
    came: Condvar,
}

struct State<R, A> {
    waiting: VecDeque<(R, Answer<A>)>,
    closed: bool,
}

type Answer<A> = oneshot::Sender<Result<A, StoreError>>;

impl<R: Send + 'static, A: Send + 'static> Lane<R, A> {
    /// Opens a lane to a door with so many threads, which end when the lane is dropped.
    ///
    /// When `batch` fails, its requests are done one by one, so that each gets the answer that it would
    /// have got alone.
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
            let serve = move || {
                let _runtime = door.runtime().enter();
                while let Some(waiting) = queue.next() {
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
                return Err(StoreError::Unavailable("too many wait for the database".into()));
            }
            state.waiting.push_back((request, answer));
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
    fn next(&self) -> Option<Vec<(R, Answer<A>)>> {
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
    waiting: Vec<(R, Answer<A>)>,
    batch: Batch<C::Connection, R, A>,
) {
    let (requests, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    match attempt(door, &requests, batch) {
        Ok(done) => answers.into_iter().zip(done).for_each(|(answer, done)| send(answer, Ok(done))),
        // Where there is no connection for all, there is none for each.
        Err(StoreError::Unavailable(cause)) => refuse(answers, cause),
        Err(error) if requests.len() == 1 => {
            if let Some(answer) = answers.into_iter().next() {
                send(answer, Err(error));
            }
        }
        Err(_) => one_by_one(door, &requests, answers, batch),
    }
}

fn one_by_one<C: Connector, R, A>(
    door: &Door<C>,
    requests: &[R],
    answers: Vec<Answer<A>>,
    batch: Batch<C::Connection, R, A>,
) {
    let mut answers = answers.into_iter();
    for request in requests {
        let Some(answer) = answers.next() else { return };
        match attempt(door, slice::from_ref(request), batch) {
            Ok(done) => {
                if let Some(done) = done.into_iter().next() {
                    send(answer, Ok(done));
                }
            }
            Err(StoreError::Unavailable(cause)) => {
                return refuse([answer].into_iter().chain(answers), cause);
            }
            Err(error) => send(answer, Err(error)),
        }
    }
}

fn attempt<C: Connector, R, A>(
    door: &Door<C>,
    requests: &[R],
    batch: Batch<C::Connection, R, A>,
) -> Result<Vec<A>, StoreError> {
    let run = || door.run_blocking(|connection| batch(connection, requests));
    // A panic costs its connection, which is dropped on the way, and not the thread.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(StoreError::Write("a unit of work panicked".into())))
}

fn send<A>(answer: Answer<A>, result: Result<A, StoreError>) {
    // Who gave up waiting needs no answer.
    let _gave_up = answer.send(result);
}

/// Answers all of them that the database cannot be reached.
fn refuse<A>(answers: impl IntoIterator<Item = Answer<A>>, cause: Cause) {
    let cause = Shared(cause.into());
    for answer in answers {
        send(answer, Err(StoreError::Unavailable(cause.clone().into())));
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
