//! Lanes before a door, with connections that lead nowhere.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use merchant_otp_ports::{Cause, StoreError};
use merchant_otp_storage_diesel::{Connector, Door, Failure, Interrupter, Lane};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// How often a connection was made, and how long each batch was.
#[derive(Clone, Default)]
struct Recorder {
    connections: Arc<AtomicUsize>,
    batches: Arc<std::sync::Mutex<Vec<usize>>>,
    refuses: bool,
}

impl Connector for Recorder {
    type Connection = Self;

    fn connect(&self) -> Result<Self, Cause> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        if self.refuses { Err("refused".into()) } else { Ok(self.clone()) }
    }

    fn is_usable(&self, _: &mut Self) -> bool {
        true
    }

    fn interrupter(&self, _: &Self) -> Option<Interrupter> {
        None
    }

    fn is_contention(_: &DatabaseErrorKind, _: &dyn DatabaseErrorInformation) -> bool {
        false
    }
}

/// Answers each number with itself, and takes its time; 13 fails, and so does every batch that has it; 17
/// fails alone; 99 panics, and 1000 takes long.
fn echo(recorder: &mut Recorder, numbers: &[u32]) -> Result<Vec<Result<u32, Failure>>, Failure> {
    recorder.batches.lock().unwrap().push(numbers.len());
    sleep(Duration::from_millis(if numbers.contains(&1000) { 2_500 } else { 20 }));
    assert!(!numbers.contains(&99), "on purpose");
    if numbers.contains(&13) {
        return Err(Failure::Write(Error::NotFound));
    }
    let answer = |number: u32| match number {
        17 => Err(Failure::Corrupt("a row".into())),
        _ => Ok(number),
    };
    Ok(numbers.iter().copied().map(answer).collect())
}

fn lane(recorder: &Recorder) -> Arc<Lane<u32, u32>> {
    let door = Arc::new(Door::new(recorder.clone(), 1, Handle::current()));
    Arc::new(Lane::new(&door, 1, "echo", echo))
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
    assert_eq!(recorder.connections.load(Ordering::SeqCst), 1);
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
    assert!(recorder.connections.load(Ordering::SeqCst) < 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_changes_nothing_for_the_others() {
    let recorder = Recorder::default();
    let lane = lane(&recorder);
    let patience = Duration::from_millis(5);
    let (given_up, other) = tokio::join!(tokio::time::timeout(patience, lane.run(1)), lane.run(2));
    assert!(given_up.is_err());
    assert_eq!(other.unwrap(), 2);
    // What was begun was done nevertheless.
    assert_eq!(recorder.batches.lock().unwrap().iter().sum::<usize>(), 2);
    // Who gave up before is passed over.
    let busy = lane.run(3);
    let given_up = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        tokio::time::timeout(Duration::from_millis(1), lane.run(4)).await
    };
    let (busy, given_up) = tokio::join!(busy, given_up);
    assert!(busy.is_ok() && given_up.is_err());
    assert_eq!(lane.run(5).await.unwrap(), 5);
    assert_eq!(recorder.batches.lock().unwrap().iter().sum::<usize>(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_its_connection_and_not_the_lane() {
    let recorder = Recorder::default();
    let lane = lane(&recorder);
    assert!(matches!(lane.run(99).await, Err(StoreError::Write(_))));
    assert_eq!(lane.run(1).await.unwrap(), 1);
    assert_eq!(recorder.connections.load(Ordering::SeqCst), 2);
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
