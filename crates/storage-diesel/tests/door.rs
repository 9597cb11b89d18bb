//! The door to a database, with connections that lead nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use merchant_otp_ports::{Cause, StoreError};
use merchant_otp_storage_diesel::{Connector, Door, Failure, Interrupter};
use tokio::runtime::Handle;

/// Makes numbered connections, while it may.
#[derive(Clone, Default)]
struct Numbered {
    made: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
    /// How long connecting takes.
    delay: Duration,
    /// Connections that are being made, now and at the most.
    connecting: Arc<(AtomicUsize, AtomicUsize)>,
    interrupted: Arc<AtomicBool>,
}

impl Connector for Numbered {
    type Connection = usize;

    fn connect(&self) -> Result<usize, Cause> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err("refused".into());
        }
        let now = self.connecting.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.connecting.1.fetch_max(now, Ordering::SeqCst);
        sleep(self.delay);
        self.connecting.0.fetch_sub(1, Ordering::SeqCst);
        Ok(self.made.fetch_add(1, Ordering::SeqCst))
    }

    fn is_usable(&self, _: &mut usize) -> bool {
        !self.broken.load(Ordering::SeqCst)
    }

    fn interrupter(&self, _: &usize) -> Option<Interrupter> {
        let interrupted = Arc::clone(&self.interrupted);
        Some(Box::new(move || interrupted.store(true, Ordering::SeqCst)))
    }

    fn is_contention(_: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> bool {
        information.message() == "busy"
    }
}

fn door(connections: u16) -> (Door<Numbered>, Numbered) {
    let connector = Numbered::default();
    (Door::new(connector.clone(), connections, Handle::current()), connector)
}

async fn connection_of(door: &Door<Numbered>) -> Result<usize, StoreError> {
    door.run(|connection| Ok(*connection)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_while_it_is_usable() {
    let (door, connector) = door(4);
    assert_eq!(connection_of(&door).await.unwrap(), 0);
    assert_eq!(connection_of(&door).await.unwrap(), 0);
    connector.broken.store(true, Ordering::SeqCst);
    assert_eq!(connection_of(&door).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_unavailable_until_it_is_not() {
    let (door, connector) = door(1);
    connector.refuses.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert!(matches!(connection_of(&door).await, Err(StoreError::Unavailable(_))));
    }
    connector.refuses.store(false, Ordering::SeqCst);
    assert!(connection_of(&door).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_unit_of_work_and_costs_its_connection() {
    let (door, _) = door(1);
    let panicked = door.run::<()>(|_| panic!("on purpose")).await;
    assert!(matches!(panicked, Err(StoreError::Write(_))));
    assert_eq!(connection_of(&door).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_work_that_was_begun_ends_without_its_caller() {
    let (door, _) = door(1);
    let (begun, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let flags = (Arc::clone(&begun), Arc::clone(&ended));
    let unit = door.run(move |_| {
        flags.0.store(true, Ordering::SeqCst);
        sleep(Duration::from_millis(200));
        flags.1.store(true, Ordering::SeqCst);
        Ok(())
    });
    let given_up = tokio::time::timeout(Duration::from_millis(100), unit).await;
    assert!(given_up.is_err() && begun.load(Ordering::SeqCst) && !ended.load(Ordering::SeqCst));
    // The only connection is free again once the unit of work has ended.
    connection_of(&door).await.unwrap();
    assert!(ended.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_units_of_work_run_at_once_than_there_are_connections() {
    let (door, connector) = door(3);
    let (door, running) = (Arc::new(door), Arc::new(AtomicUsize::new(0)));
    let mut units = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (door, running) = (Arc::clone(&door), Arc::clone(&running));
        units.spawn(async move {
            door.run(move |_| {
                let others = running.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(5));
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(others)
            })
            .await
            .unwrap()
        });
    }
    let most = units.join_all().await.into_iter().max().unwrap() + 1;
    assert!(most <= 3, "{most} at once");
    assert!(connector.made.load(Ordering::SeqCst) <= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_give_up_while_connecting_free_no_places() {
    let delay = Duration::from_millis(300);
    let connector = Numbered { delay, ..Numbered::default() };
    let door = Door::new(connector.clone(), 2, Handle::current());
    for _ in 0..20 {
        let unit = door.run(|_| Ok(()));
        let given_up = tokio::time::timeout(Duration::from_millis(10), unit).await;
        assert!(given_up.is_err());
    }
    let most = connector.connecting.1.load(Ordering::SeqCst);
    assert!(most <= 2, "{most} at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_work_that_does_not_end_is_interrupted() {
    let (door, connector) = door(1);
    let interrupted = Arc::clone(&connector.interrupted);
    door.run(|_| Ok(())).await.unwrap();
    assert!(!interrupted.load(Ordering::SeqCst));
    let unit = door.run(move |_| {
        while !interrupted.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(100));
        }
        Ok(())
    });
    tokio::time::timeout(Duration::from_secs(30), unit).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_too_long_for_a_connection_is_told() {
    let (door, _) = door(1);
    let long = door.run(|_| {
        sleep(Duration::from_secs(7));
        Ok(())
    });
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        connection_of(&door).await
    };
    let (long, waiting) = tokio::join!(long, waiting);
    long.unwrap();
    assert!(matches!(waiting, Err(StoreError::Busy(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_become_what_the_unit_of_work_was_doing() {
    let (door, _) = door(1);
    let error = |message: &str| {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
    };
    let serialization = || {
        let message = Box::new("could not serialize".to_owned());
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, message)
    };
    let fail = async |failure: Failure| door.run::<()>(|_| Err(failure)).await.unwrap_err();
    assert!(matches!(fail(Failure::Read(error("gone"))).await, StoreError::Read(_)));
    assert!(matches!(fail(Failure::Write(error("full"))).await, StoreError::Write(_)));
    for failure in [
        Failure::Read(error("busy")),
        Failure::Write(error("busy")),
        Failure::Read(serialization()),
        Failure::Write(serialization()),
        Failure::Contention("in the way".into()),
    ] {
        assert!(matches!(fail(failure).await, StoreError::Contention(_)));
    }
    let null = Error::DeserializationError("NULL".into());
    for failure in [Failure::Corrupt("odd".into()), Failure::Read(null)] {
        assert!(matches!(fail(failure).await, StoreError::Corrupt(_)));
    }
}
