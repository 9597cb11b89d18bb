//! Tests of the batcher, on a pool without a database and with a paused clock.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use merchant_otp_ports::{StoreError, StoreResult};
use merchant_otp_storage_sql::{Acquire, BatchResults, Batcher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// A request that fails every batch it is in.
const POISON: u32 = 13;
/// A request that fails without failing its batch.
const CORRUPT: u32 = 17;
/// A request whose execution panics.
const PANIC: u32 = 99;
/// A request that takes 2.5 s.
const SLOW: u32 = 1000;
/// A request that fails after 15 s, like one to a frozen database.
const FROZEN: u32 = 2000;

/// A pool of one connection that records the executed batches.
#[derive(Clone)]
struct Recorder {
    connection: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<usize>>>,
    unreachable: bool,
    acquired: Arc<AtomicUsize>,
}

impl Acquire for Recorder {
    type Connection = OwnedSemaphorePermit;
    const ACQUIRE_FIRST: bool = true;

    async fn acquire(&self) -> StoreResult<OwnedSemaphorePermit> {
        if self.unreachable {
            return Err(StoreError::Unavailable("refused".into()));
        }
        self.acquired.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::clone(&self.connection).acquire_owned().await.unwrap())
    }
}

impl Recorder {
    fn new() -> Self {
        Self {
            connection: Arc::new(Semaphore::new(1)),
            batches: Arc::default(),
            unreachable: false,
            acquired: Arc::default(),
        }
    }

    fn batcher(&self) -> Arc<Batcher<u32, u32>> {
        Arc::new(Batcher::spawn("echo", self.clone(), echo))
    }

    fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }
}

/// Returns each number as its result.
async fn echo(
    recorder: Recorder,
    _connection: OwnedSemaphorePermit,
    numbers: Arc<[u32]>,
) -> BatchResults<u32> {
    recorder.batches.lock().unwrap().push(numbers.len());
    sleep(Duration::from_millis(if numbers.contains(&SLOW) { 2_500 } else { 20 })).await;
    assert!(!numbers.contains(&PANIC), "on purpose");
    if numbers.contains(&FROZEN) {
        sleep(Duration::from_millis(14_980)).await;
        return Err(StoreError::Write("frozen".into()));
    }
    if numbers.contains(&POISON) {
        return Err(StoreError::Write("a row".into()));
    }
    let result = |number: &u32| match *number {
        CORRUPT => Err(StoreError::Corrupt("a row".into())),
        number => Ok(number),
    };
    Ok(numbers.iter().map(result).collect())
}

/// Requests numbers concurrently and returns their results.
async fn run_all(
    batcher: &Arc<Batcher<u32, u32>>,
    numbers: impl IntoIterator<Item = u32>,
) -> Vec<(u32, StoreResult<u32>)> {
    let mut tasks = JoinSet::new();
    for number in numbers {
        let batcher = Arc::clone(batcher);
        tasks.spawn(async move { (number, batcher.run(number).await) });
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_meanwhile_are_one_batch() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let others = async {
        sleep(Duration::from_millis(5)).await;
        run_all(&batcher, 101..=700).await
    };
    let (first, others) = tokio::join!(batcher.run(0), others);
    assert_eq!(first.unwrap(), 0);
    for (number, result) in others {
        assert_eq!(result.unwrap(), number);
    }
    // The first request did not wait for others, and no batch is larger than 256.
    assert_eq!(recorder.batches(), [1, 256, 256, 88]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_while_the_worker_waits_for_a_connection_join_the_batch() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let busy = Arc::clone(&recorder.connection).acquire_owned().await.unwrap();
    let early = batcher.run(1);
    let late = async {
        sleep(Duration::from_millis(500)).await;
        let late = batcher.run(2);
        let free = async {
            sleep(Duration::from_millis(100)).await;
            drop(busy);
        };
        tokio::join!(late, free).0
    };
    let (early, late) = tokio::join!(early, late);
    assert_eq!((early.unwrap(), late.unwrap()), (1, 2));
    assert_eq!(recorder.batches(), [2]);
}

#[tokio::test(start_paused = true)]
async fn each_request_gets_the_result_that_it_would_get_alone() {
    let batcher = Recorder::new().batcher();
    for (number, result) in run_all(&batcher, 0..20).await {
        match number {
            POISON => assert!(matches!(result, Err(StoreError::Write(_)))),
            CORRUPT => assert!(matches!(result, Err(StoreError::Corrupt(_)))),
            _ => assert_eq!(result.unwrap(), number),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_each_request_gets_the_cause_at_once() {
    let recorder = Recorder { unreachable: true, ..Recorder::new() };
    let batcher = recorder.batcher();
    let begin = Instant::now();
    for (_, result) in run_all(&batcher, 0..100).await {
        let Err(StoreError::Unavailable(cause)) = result else { panic!("{result:?}") };
        assert_eq!(cause.to_string(), "refused");
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert!(recorder.batches().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_changes_nothing_for_the_others() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let patience = Duration::from_millis(15);
    let (dropped, other) = tokio::join!(timeout(patience, batcher.run(1)), batcher.run(2));
    assert!(dropped.is_err());
    assert_eq!(other.unwrap(), 2);
    // The batch had started and was executed nevertheless.
    assert_eq!(recorder.batches(), [2]);
    // A request whose caller is dropped before it starts is not executed.
    let dropped = async {
        sleep(Duration::from_millis(5)).await;
        timeout(Duration::from_millis(1), batcher.run(4)).await
    };
    let (busy, dropped) = tokio::join!(batcher.run(3), dropped);
    assert!(busy.is_ok() && dropped.is_err());
    assert_eq!(batcher.run(5).await.unwrap(), 5);
    assert_eq!(recorder.batches(), [2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_batch_and_not_the_batcher() {
    let batcher = Recorder::new().batcher();
    assert!(matches!(batcher.run(PANIC).await, Err(StoreError::Write(_))));
    assert_eq!(batcher.run(1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_that_fails_is_not_executed_again_for_each_request() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let begin = Instant::now();
    for (_, result) in run_all(&batcher, [SLOW, POISON, 1, 2, 3]).await {
        assert!(matches!(result, Err(StoreError::Write(_))));
    }
    assert_eq!(recorder.batches(), [5]);
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn requests_are_executed_one_by_one_for_a_limited_time() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let begin = Instant::now();
    // 20 ms each: 250 would take 5 s.
    let results = run_all(&batcher, (0..250).map(|number| POISON + number * 3_000)).await;
    assert!(begin.elapsed() < Duration::from_millis(2_100), "{:?}", begin.elapsed());
    let executed = results.iter().filter(|(_, result)| result.is_ok()).count();
    assert!((95..=105).contains(&executed), "{executed}");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_capacity_of_the_queue_are_rejected_at_once() {
    let batcher = Recorder::new().batcher();
    let results = run_all(&batcher, 3_000..8_000).await;
    let rejected: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).collect();
    // 4096 are queued, and one may have been drained before.
    assert!((903..=904).contains(&rejected.len()), "{}", rejected.len());
    assert!(rejected.iter().all(|(_, result)| matches!(result, Err(StoreError::Busy(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_queued_for_too_long_is_rejected() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let busy = Arc::clone(&recorder.connection).acquire_owned().await.unwrap();
    let free = async {
        sleep(Duration::from_millis(5_100)).await;
        drop(busy);
    };
    let late = async {
        sleep(Duration::from_secs(4)).await;
        batcher.run(2).await
    };
    let (early, late, ()) = tokio::join!(batcher.run(1), late, free);
    assert!(matches!(early, Err(StoreError::Busy(_))));
    assert_eq!(late.unwrap(), 2);
    assert_eq!(recorder.batches(), [1]);
}

/// A frozen database costs its callers one timeout, and not one for each batch queued meanwhile.
#[tokio::test(start_paused = true)]
async fn requests_that_are_late_do_not_wait_for_a_connection() {
    let recorder = Recorder::new();
    let batcher = recorder.batcher();
    let begin = Instant::now();
    let others = async {
        sleep(Duration::from_millis(10)).await;
        run_all(&batcher, 1..=3).await
    };
    let (frozen, others) = tokio::join!(batcher.run(FROZEN), others);
    assert!(matches!(frozen, Err(StoreError::Write(_))));
    assert!(others.iter().all(|(_, result)| matches!(result, Err(StoreError::Busy(_)))));
    assert_eq!(begin.elapsed(), Duration::from_secs(15));
    assert_eq!(recorder.acquired.load(Ordering::SeqCst), 1);
}

#[test]
fn a_runtime_that_ends_leaves_no_caller_waiting() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ending, other) = (runtime(), runtime());
    let batcher = ending.block_on(async { Recorder::new().batcher() });
    other.block_on(async {
        let mut queued = Box::pin(batcher.run(1));
        assert!(timeout(Duration::from_millis(20), &mut queued).await.is_err());
        ending.shutdown_background();
        assert!(matches!(queued.await, Err(StoreError::Unavailable(_))));
        assert!(matches!(batcher.run(2).await, Err(StoreError::Unavailable(_))));
    });
}
