//! Clients that register devices continuously, and a record of the responses.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use merchant_otp_tests::{Server, Storage, added_devices, listed_devices};
use serde_json::Value;

/// Maximum time from the recovery of the database to that of the service.
const BACK: Duration = Duration::from_secs(2);

/// Maximum duration of any request, whatever the database does: the sum of all timeouts.
const LONGEST: Duration = Duration::from_secs(36);

/// Clients that register devices continuously, and a record of the responses.
pub(crate) struct Load {
    /// Creates the body that registers a device with this id.
    device: fn(&str) -> Value,
    stop: AtomicBool,
    last: AtomicU64,
    acknowledged: Mutex<Vec<Acknowledgement>>,
    refused: Mutex<BTreeSet<u64>>,
    longest: Mutex<Duration>,
}

/// The response for a stored device.
struct Acknowledgement {
    time: Instant,
    /// The index of the process that stored it.
    process: usize,
    id: String,
}

impl Load {
    fn run(&self, process: usize, server: &Server, token: &str) {
        while !self.stop.load(Ordering::Relaxed) {
            let id = format!("till-{}", self.last.fetch_add(1, Ordering::Relaxed));
            let begin = Instant::now();
            let reply = server.post("shop", token, (self.device)(&id).to_string());
            let now = Instant::now();
            let mut longest = self.longest.lock().unwrap();
            *longest = longest.max(now - begin);
            drop(longest);
            if reply.status == 204 {
                let acknowledgement = Acknowledgement { time: now, process, id };
                self.acknowledged.lock().unwrap().push(acknowledgement);
            } else {
                // No other error than that of a database that is unavailable or fails.
                let code = reply.json()["code"].as_u64().unwrap();
                assert!([51, 53, 54, 55].contains(&code), "{}", reply.body);
                self.refused.lock().unwrap().insert(code);
                sleep(Duration::from_millis(5));
            }
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// The number of devices that a process stored.
    fn count_of(&self, process: usize) -> usize {
        let acknowledged = self.acknowledged.lock().unwrap();
        acknowledged.iter().filter(|one| one.process == process).count()
    }

    /// Waits for this many more acknowledgements.
    #[track_caller]
    pub(crate) fn wait_for(&self, more: usize) {
        let until = self.count() + more;
        self.wait_until(|| self.count() >= until);
    }

    /// Waits until a request has failed; returns the codes.
    #[track_caller]
    pub(crate) fn wait_for_refusals(&self) -> BTreeSet<u64> {
        self.wait_until(|| !self.refused.lock().unwrap().is_empty());
        self.refused()
    }

    #[track_caller]
    fn wait_until(&self, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !condition() {
            let (acknowledged, refused) = (self.count(), self.refused());
            assert!(Instant::now() < deadline, "{acknowledged} acknowledged, refused: {refused:?}");
            sleep(Duration::from_millis(5));
        }
    }

    /// The codes of the failed requests.
    pub(crate) fn refused(&self) -> BTreeSet<u64> {
        self.refused.lock().unwrap().clone()
    }

    /// Asserts that devices are stored again soon; the database must just have recovered.
    #[track_caller]
    pub(crate) fn expect_recovery(&self) {
        let back = Instant::now();
        let first = || {
            let acknowledged = self.acknowledged.lock().unwrap();
            acknowledged.iter().map(|one| one.time).filter(|time| *time > back).min()
        };
        self.wait_until(|| first().is_some());
        let took = first().unwrap() - back;
        assert!(took < BACK, "it took {took:?}");
    }

    /// The longest time without an acknowledgement by the selected processes.
    pub(crate) fn outage(&self, of: impl Fn(usize) -> bool) -> Duration {
        let acknowledged = self.acknowledged.lock().unwrap();
        let counted = acknowledged.iter().filter(|acknowledged| of(acknowledged.process));
        let mut times: Vec<_> = counted.map(|acknowledged| acknowledged.time).collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

/// Injects a fault into the database under the load of some processes, and compares the database
/// with the responses afterwards.
///
/// Each acknowledged device must exist, each existing device must have been requested and have one
/// event, and no request may have taken too long.
pub(crate) fn under_load(
    storage: &Storage,
    servers: &[&Server],
    token: &str,
    device: fn(&str) -> Value,
    break_it: impl FnOnce(&Load),
) -> Load {
    let load = Load {
        device,
        stop: AtomicBool::default(),
        last: AtomicU64::default(),
        acknowledged: Mutex::default(),
        refused: Mutex::default(),
        longest: Mutex::default(),
    };
    thread::scope(|scope| {
        for client in 0..8 {
            let (load, process) = (&load, client % servers.len());
            scope.spawn(move || load.run(process, servers[process], token));
        }
        // Stops the clients even if the test fails.
        let _stop = Stop(&load.stop);
        load.wait_for(100);
        break_it(&load);
        let before: Vec<_> = (0..servers.len()).map(|process| load.count_of(process)).collect();
        load.wait_until(|| {
            let more = |(process, before): (usize, &usize)| load.count_of(process) >= before + 50;
            before.iter().enumerate().all(more)
        });
    });
    let devices_of =
        |server: &Server| -> BTreeSet<_> { listed_devices(server, token).into_keys().collect() };
    let held = devices_of(servers[0]);
    assert!(servers.iter().all(|server| devices_of(server) == held));
    let acknowledged: BTreeSet<_> =
        load.acknowledged.lock().unwrap().iter().map(|one| one.id.clone()).collect();
    let lost: Vec<_> = acknowledged.difference(&held).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let asked: BTreeSet<_> =
        (0..load.last.load(Ordering::Relaxed)).map(|number| format!("till-{number}")).collect();
    assert!(held.is_subset(&asked), "not requested: {:?}", held.difference(&asked));
    let mut added = added_devices(storage);
    added.sort();
    assert_eq!(added, held.into_iter().collect::<Vec<_>>());
    let longest = *load.longest.lock().unwrap();
    assert!(longest < LONGEST, "a client waited for {longest:?}");
    load
}

/// Stops the clients on drop.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
