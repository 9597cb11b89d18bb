//! Lanes before a database that is none.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use diesel::result::Error;
use merchant_otp_ports::StoreError;
use merchant_otp_storage_diesel::{Batch, Lane, Place};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long each batch was.
#[derive(Clone, Default)]
struct Recorder {
    batches: Arc<std::sync::Mutex<Vec<usize>>>,
    under_way: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
    refuses: bool,
}

impl Recorder {
    /// Answers each number with itself, and takes its time; 13 fails, and so does every batch that has it;
    /// 17 fails alone; 99 panics, and 1000 takes long.
    fn echo(&self, numbers: &[u32]) -> Result<Vec<Result<u32, StoreError>>, StoreError> {
        self.batches.lock().unwrap().push(numbers.len());
        if self.refuses {
            return Err(StoreError::Unavailable("refused".into()));
        }
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        sleep(Duration::from_millis(if numbers.contains(&1000) { 2_500 } else { 20 }));
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        assert!(!numbers.contains(&99), "on purpose");
        if numbers.contains(&13) {
            return Err(StoreError::Write(Error::NotFound.into()));
        }
        let answer = |number: u32| match number {
            17 => Err(StoreError::Corrupt("a row".into())),
            _ => Ok(number),
        };
        Ok(numbers.iter().copied().map(answer).collect())
    }

    fn batch(&self) -> Batch<u32, u32> {
        let recorder = self.clone();
        Box::new(move |numbers| {
            let recorder = recorder.clone();
            Box::pin(async move { recorder.echo(&numbers) })
        })
    }
}

fn lane(recorder: &Recorder) -> Arc<Lane<u32, u32>> {
    Arc::new(Lane::new("echo", Place::Blocking(Handle::current()), [recorder.batch()]))
}

/// The answers to numbers that are asked for at once.
async fn ask(lane: &Arc<Lane<u32, u32>>, numbers: &[u32]) -> Vec<(u32, Result<u32, StoreError>)> {
    let mut tasks = JoinSet::new();
    for number in numbers.iter().copied() {
        let lane = Arc::clone(lane);
        tasks.spawn(async move { (number, lane.run(number).await) });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_meanwhile_is_done_at_once() {
    let recorder = Recorder::default();
    let lane = lane(&recorder);
    let first = ask(&lane, &[0]);
    let others: Vec<_> = (101..=700).collect();
    let others = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        ask(&lane, &others).await
    };
    let (first, others) = tokio::join!(first, others);
    for (number, answer) in first.into_iter().chain(others) {
        assert_eq!(answer.unwrap(), number);
    }
    let batches = recorder.batches.lock().unwrap().clone();
    // Nobody waited for others to come, and no batch is longer than 256.
    assert_eq!(batches.iter().sum::<usize>(), 601);
    assert_eq!((batches[0], batches.iter().max()), (1, Some(&256)), "{batches:?}");
    assert!(batches.len() <= 6, "{batches:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gets_the_answer_that_it_would_get_alone() {
    let lane = lane(&Recorder::default());
    let numbers: Vec<_> = (0..20).collect();
    for (number, answer) in ask(&lane, &numbers).await {
        match number {
            13 => assert!(matches!(answer, Err(StoreError::Write(_)))),
            17 => assert!(matches!(answer, Err(StoreError::Corrupt(_)))),
            _ => assert_eq!(answer.unwrap(), number),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_connection_nobody_waits_for_one_of_his_own() {
    let recorder = Recorder { refuses: true, ..Recorder::default() };
    let lane = lane(&recorder);
    let numbers: Vec<_> = (0..100).collect();
    for (_, answer) in ask(&lane, &numbers).await {
        let Err(StoreError::Unavailable(cause)) = answer else { panic!("{answer:?}") };
        assert_eq!(cause.to_string(), "refused");
    }
    assert!(recorder.batches.lock().unwrap().len() < 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_changes_nothing_for_the_others() {
    let recorder = Recorder::default();
    let lane = lane(&recorder);
    let patience = Duration::from_millis(15);
    let (given_up, other) = tokio::join!(timeout(patience, lane.run(1)), lane.run(2));
    assert!(given_up.is_err());
    assert_eq!(other.unwrap(), 2);
    // What was begun was done nevertheless.
    assert_eq!(recorder.batches.lock().unwrap().iter().sum::<usize>(), 2);
    // Who gave up before is passed over.
    let busy = lane.run(3);
    let given_up = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        timeout(Duration::from_millis(1), lane.run(4)).await
    };
    let (busy, given_up) = tokio::join!(busy, given_up);
    assert!(busy.is_ok() && given_up.is_err());
    assert_eq!(lane.run(5).await.unwrap(), 5);
    assert_eq!(recorder.batches.lock().unwrap().iter().sum::<usize>(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_does_not_cost_the_lane() {
    let recorder = Recorder::default();
    let lane = lane(&recorder);
    assert!(matches!(lane.run(99).await, Err(StoreError::Write(_))));
    assert_eq!(lane.run(1).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_longer_than_it_is_worth() {
    let recorder = Recorder::default();
    let lane = lane(&recorder);
    // Three that take long: the first alone, then the others, which are failed by 13, and not tried again.
    let begin = std::time::Instant::now();
    let first = ask(&lane, &[1000]);
    let others = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask(&lane, &[1000, 13, 1, 2, 3]).await
    };
    let (first, others) = tokio::join!(first, others);
    assert!(first.iter().all(|(_, answer)| answer.is_ok()));
    assert!(others.iter().all(|(_, answer)| matches!(answer, Err(StoreError::Write(_)))));
    assert!(begin.elapsed() < Duration::from_secs(6));
    assert_eq!(*recorder.batches.lock().unwrap(), [1, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_are_refused_at_once() {
    let lane = lane(&Recorder::default());
    let numbers: Vec<_> = (100..5_100).collect();
    let answers = ask(&lane, &numbers).await;
    let refused = answers.iter().filter(|(_, answer)| answer.is_err()).count();
    // 4096 wait, and up to 256 were taken before.
    assert!((600..=904).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_lane_of_those_who_ask_does_what_comes_meanwhile_at_once_too() {
    let recorder = Recorder::default();
    let lane = Arc::new(Lane::new("echo", Place::Caller, [recorder.batch(), recorder.batch()]));
    let numbers: Vec<_> = (100..400).collect();
    for (number, answer) in ask(&lane, &numbers).await {
        assert_eq!(answer.unwrap(), number);
    }
    // All of one thread, however many tracks there are.
    assert_eq!(*recorder.batches.lock().unwrap(), [256, 44]);
}

#[tokio::test]
async fn a_thread_has_its_share_of_the_batches() {
    let recorder = Recorder::default();
    let threads = std::thread::available_parallelism().unwrap().get();
    let batches = (0..2 * threads).map(|_| recorder.batch());
    let lane = Arc::new(Lane::new("echo", Place::Blocking(Handle::current()), batches));
    let mut tasks = JoinSet::new();
    for number in 0..6 {
        let lane = Arc::clone(&lane);
        tasks.spawn(async move { lane.run(number).await.unwrap() });
        // One after the other: each would be a batch of its own.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    tasks.join_all().await;
    assert_eq!(recorder.most_under_way.load(Ordering::SeqCst), 2);
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let (recorder, is_first) = (Recorder::default(), AtomicBool::new(true));
    let echo = recorder.batch();
    let first_never_ends: Batch<u32, u32> = Box::new(move |numbers| {
        if is_first.swap(false, Ordering::SeqCst) { Box::pin(pending()) } else { echo(numbers) }
    });
    let lane = Lane::new("echo", Place::Caller, [first_never_ends]);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ending, other) = (runtime(), runtime());
    let a_while = Duration::from_millis(20);
    let begun = ending.block_on(async { timeout(a_while, lane.run(1)).await });
    assert!(begun.is_err());
    other.block_on(async {
        let mut queued = Box::pin(lane.run(2));
        assert!(timeout(a_while, &mut queued).await.is_err());
        ending.shutdown_background();
        // It is asked again, on its own.
        assert_eq!(queued.await.unwrap(), 2);
    });
}
