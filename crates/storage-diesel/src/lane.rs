use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::iter;
use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use merchant_otp_ports::{Cause, StoreError};
use metrics::Histogram;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// How many requests are done at a time at the most.
const BATCH: usize = 256;

/// How many requests wait at the most; more are refused, for nothing is gained by waiting longer.
const WAITING: usize = 4096;

/// Who waited for longer when it is his turn is refused: whoever asked may have given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long the requests of a batch that failed are tried one by one.
const ONE_BY_ONE: Duration = Duration::from_secs(2);

/// How often a request is asked while the runtimes end on which it is done: those of a server end one after
/// the other.
const ATTEMPTS: u32 = 3;

/// Does requests in one unit of work, all or nothing of it; answers each, in their order.
///
/// What is wrong with one of them alone is its own answer; the whole fails where the database does.
pub type Batch<R, A> = Box<dyn Fn(Arc<[R]>) -> Answers<A> + Send + Sync>;

/// The answers to the requests of a batch, or why there are none.
pub type Answers<A> =
    Pin<Box<dyn Future<Output = Result<Vec<Result<A, StoreError>>, StoreError>> + Send>>;

/// Where batches are done.
#[derive(Clone, Debug)]
pub enum Place {
    /// On the runtime of the first of those who ask: no thread has to be woken. For what does not block.
    Caller,
    /// On a thread that may block, of this runtime.
    Blocking(Handle),
}

/// A queue before a database: does, at a time, all requests that came while the last ones were done.
///
/// What a transaction or a round trip costs is shared by those who come at once, and nobody waits for
/// others to come. A request that was begun is done, whatever becomes of the future that waits for it;
/// where the runtime ends on which it is done, it is asked again, and may be done twice.
pub struct Lane<R, A> {
    place: Place,
    tracks: Vec<Arc<Track<R, A>>>,
}

/// A part of a lane: the requests of some threads.
struct Track<R, A> {
    batches: Vec<Batch<R, A>>,
    batch_size: Histogram,
    queue: Mutex<Queue<R, A>>,
}

struct Queue<R, A> {
    waiting: VecDeque<Waiting<R, A>>,
    /// The batches that nobody does.
    idle: Vec<usize>,
    /// Whether somebody is about to take what waits.
    taken_soon: bool,
}

struct Waiting<R, A> {
    since: Instant,
    request: R,
    answer: Answer<A>,
}

type Answer<A> = oneshot::Sender<Result<A, StoreError>>;

impl<R, A> Lane<R, A>
where
    R: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    /// Opens a lane that does so many batches at a time as are given.
    ///
    /// The threads of the machine's processors share them, so that what a thread asks for stays on it, if
    /// there are as many. When a batch fails, its requests are done one by one for a while, so that each
    /// gets the answer that it would have got alone. Who waits for longer than 5 seconds is refused.
    #[must_use]
    pub fn new(
        name: &'static str,
        place: Place,
        batches: impl IntoIterator<Item = Batch<R, A>>,
    ) -> Self {
        let batches: Vec<_> = batches.into_iter().collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let mut shares: Vec<_> = (0..threads.min(batches.len())).map(|_| Vec::new()).collect();
        let mut next = 0;
        for batch in batches {
            if let Some(share) = shares.get_mut(next) {
                share.push(batch);
            }
            next = (next + 1).checked_rem(shares.len()).unwrap_or_default();
        }
        let track = |batches: Vec<_>| {
            let idle = (0..batches.len()).collect();
            let queue = Mutex::new(Queue { waiting: VecDeque::new(), idle, taken_soon: false });
            let batch_size = metrics::histogram!("merchant_otp_batch_requests", "lane" => name);
            Arc::new(Track { batches, batch_size, queue })
        };
        Self { place, tracks: shares.into_iter().map(track).collect() }
    }

    /// Has a request done.
    ///
    /// # Errors
    ///
    /// [`StoreError`], as [`Door::run`](crate::Door::run).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn run(&self, request: R) -> Result<A, StoreError> {
        let track =
            self.track().ok_or_else(|| StoreError::Busy("a lane without a track".into()))?;
        for _ in 1..ATTEMPTS {
            if let Ok(answer) = self.ask(track, request.clone())?.await {
                return answer;
            }
        }
        let answer = self.ask(track, request)?.await;
        answer.unwrap_or_else(|stopped| Err(StoreError::Unavailable(stopped.into())))
    }

    /// Queues a request; the answer does not come if the runtime ends on which it is done.
    fn ask(
        &self,
        track: &Arc<Track<R, A>>,
        request: R,
    ) -> Result<oneshot::Receiver<Result<A, StoreError>>, StoreError> {
        let (answer, answered) = oneshot::channel();
        if let Some(batch) = track.push(request, answer)? {
            begin(track, batch, &self.place);
        }
        Ok(answered)
    }

    /// The track of this thread.
    fn track(&self) -> Option<&Arc<Track<R, A>>> {
        thread_number().checked_rem(self.tracks.len()).and_then(|number| self.tracks.get(number))
    }
}

/// The number of this thread among those that asked for something.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

impl<R, A> Track<R, A> {
    /// Nothing panics between two changes of the queue.
    fn lock(&self) -> MutexGuard<'_, Queue<R, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request, unless too many wait; answers which batch is to be done from now on, if any.
    fn push(&self, request: R, answer: Answer<A>) -> Result<Option<usize>, StoreError> {
        let mut queue = self.lock();
        if queue.waiting.len() >= WAITING {
            return Err(StoreError::Busy("too many wait in the lane".into()));
        }
        queue.waiting.push_back(Waiting { since: Instant::now(), request, answer });
        let batch = if queue.taken_soon { None } else { queue.idle.pop() };
        queue.taken_soon |= batch.is_some();
        Ok(batch)
    }
}

/// A batch that somebody does, again and again, until this is dropped.
struct Serving<R, A> {
    track: Arc<Track<R, A>>,
    batch: usize,
    ended: bool,
}

/// What was taken out of a queue.
struct Taken<R, A> {
    requests: Vec<Waiting<R, A>>,
    /// The batch that is to be begun for the rest, if there is one of each.
    another: Option<usize>,
}

impl<R, A> Serving<R, A> {
    /// Takes the requests that there are; `None` if there are none, and the batch is idle again.
    fn next(&mut self) -> Option<Taken<R, A>> {
        let mut queue = self.track.lock();
        queue.taken_soon = false;
        let length = queue.waiting.len().min(BATCH);
        if length == 0 {
            queue.idle.push(self.batch);
            self.ended = true;
            return None;
        }
        let requests = queue.waiting.drain(..length).collect();
        let another = if queue.waiting.is_empty() { None } else { queue.idle.pop() };
        queue.taken_soon = another.is_some();
        Some(Taken { requests, another })
    }
}

impl<R, A> Drop for Serving<R, A> {
    /// Where the runtime ends before the work does, nobody is left waiting for it.
    fn drop(&mut self) {
        if !self.ended {
            let mut queue = self.track.lock();
            queue.taken_soon = false;
            queue.idle.push(self.batch);
            if queue.idle.len() == self.track.batches.len() {
                queue.waiting.clear();
            }
        }
    }
}

/// Has a batch done until nothing is asked for.
fn begin<R, A>(track: &Arc<Track<R, A>>, batch: usize, place: &Place)
where
    R: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    let serving = Serving { track: Arc::clone(track), batch, ended: false };
    let serve = serve(serving, place.clone());
    match place {
        Place::Caller => drop(tokio::spawn(serve)),
        Place::Blocking(runtime) => {
            let handle = runtime.clone();
            drop(runtime.spawn_blocking(move || handle.block_on(serve)));
        }
    }
}

/// Does what is asked for, until nothing is.
async fn serve<R, A>(mut serving: Serving<R, A>, place: Place)
where
    R: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    let track = Arc::clone(&serving.track);
    let Some(batch) = track.batches.get(serving.batch) else { return };
    loop {
        // Whoever got an answer just now may ask again, and gets the processor first for that.
        match place {
            Place::Caller => yield_now().await,
            Place::Blocking(_) => thread::yield_now(),
        }
        let Some(Taken { requests, another }) = serving.next() else { return };
        if let Some(another) = another {
            begin(&track, another, &place);
        }
        // At most 256.
        track.batch_size.record(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        work(batch, requests).await;
    }
}

/// Does requests at once, or if that fails one by one, and answers them.
async fn work<R, A>(batch: &Batch<R, A>, waiting: Vec<Waiting<R, A>>)
where
    R: Clone,
{
    let (requests, answers) = still_wanted(waiting);
    if requests.is_empty() {
        return;
    }
    let begin = Instant::now();
    match attempt(batch, Arc::clone(&requests)).await {
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
        Err(error) => one_by_one(batch, &requests, answers, error).await,
    }
}

/// The requests that somebody still waits for, and not too long.
fn still_wanted<R, A>(waiting: Vec<Waiting<R, A>>) -> (Arc<[R]>, Vec<Answer<A>>) {
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
    let (requests, answers): (Vec<_>, _) = wanted.unzip();
    (requests.into(), answers)
}

/// Does requests one by one while there is time; those after that get the error of all.
async fn one_by_one<R, A>(
    batch: &Batch<R, A>,
    requests: &[R],
    answers: Vec<Answer<A>>,
    error: StoreError,
) where
    R: Clone,
{
    let begin = Instant::now();
    let mut answers = answers.into_iter();
    for request in requests {
        if begin.elapsed() > ONE_BY_ONE {
            break;
        }
        let Some(answer) = answers.next() else { return };
        let done = attempt(batch, Arc::new([request.clone()])).await;
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

async fn attempt<R, A>(
    batch: &Batch<R, A>,
    requests: Arc<[R]>,
) -> Result<Vec<Result<A, StoreError>>, StoreError> {
    // A panic costs its connection, which is dropped on the way, and not those who wait.
    let done = AssertUnwindSafe(async { batch(requests).await }).catch_unwind().await;
    done.unwrap_or_else(|_| Err(StoreError::Write("a unit of work panicked".into())))
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
