//! What was acknowledged outlives the server of the database, and the service finds the next one.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use merchant_otp_tests::{Server, Storage, StorageKind};
use merchant_otp_throwaway_postgres::Cluster;

use crate::audit::trail;
use crate::device;
use crate::log_in::DEVICES;

/// Clients that register devices all the time, and what they were told.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    last: AtomicU64,
    acknowledged: Mutex<Vec<(Instant, String)>>,
    refused: Mutex<BTreeSet<u64>>,
}

impl Load {
    fn run(&self, server: &Server, token: &str) {
        while !self.stop.load(Ordering::Relaxed) {
            let id = format!("till-{}", self.last.fetch_add(1, Ordering::Relaxed));
            let reply = server.post("shop", token, device(&id).to_string());
            if reply.status == 204 {
                self.acknowledged.lock().unwrap().push((Instant::now(), id));
            } else {
                // Nothing but that the database is not to be had, or broke off.
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

    /// Waits until so many more were acknowledged.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let (until, deadline) = (self.count() + more, Instant::now() + Duration::from_secs(30));
        while self.count() < until {
            assert!(Instant::now() < deadline, "only {} are acknowledged", self.count());
            sleep(Duration::from_millis(5));
        }
    }

    /// The longest time without an acknowledgement.
    fn outage(&self) -> Duration {
        let mut times: Vec<_> =
            self.acknowledged.lock().unwrap().iter().map(|(time, _)| *time).collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

/// Breaks the database under load, and holds what it has afterwards against what clients were told.
fn survive(server: &Server, token: &str, break_it: impl FnOnce(&Load)) -> Load {
    let load = Load::default();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| load.run(server, token));
        }
        load.wait_for(100);
        break_it(&load);
        load.wait_for(100);
        load.stop.store(true, Ordering::Relaxed);
    });
    let listed = server.call("GET", DEVICES, token, "").json();
    let listed = listed["otp_devices"].as_array().unwrap().iter();
    let held: BTreeSet<_> =
        listed.map(|device| device["otp_device_id"].as_str().unwrap().to_owned()).collect();
    let acknowledged: BTreeSet<_> =
        load.acknowledged.lock().unwrap().iter().map(|(_, id)| id.clone()).collect();
    let lost: Vec<_> = acknowledged.difference(&held).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    load
}

#[test]
fn a_server_that_crashed_comes_back_with_all_that_was_acknowledged() {
    let mut cluster = Cluster::start_with(&[], &[]).unwrap();
    let storage = Storage::postgres_in(&cluster);
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    let mut back = None;
    let load = survive(&server, &token, |load| {
        cluster.crash();
        sleep(Duration::from_millis(500));
        cluster.start_again().unwrap();
        back = Some(Instant::now());
        load.wait_for(1);
    });
    // By itself, and soon: what was held up is done two seconds after the database is back.
    let times = load.acknowledged.lock().unwrap();
    let first = times.iter().map(|(time, _)| *time).filter(|time| *time > back.unwrap()).min();
    assert!(first.unwrap() - back.unwrap() < Duration::from_secs(2));
    // Each has its event, and none has two.
    let added = trail(&storage, "shop", &[]).into_iter();
    let added = added.filter(|event| event["operation"] == "otp-device.add");
    let mut added: Vec<_> = added.map(|event| event["device"].to_string()).collect();
    let all = added.len();
    added.sort();
    added.dedup();
    assert_eq!(added.len(), all);
}

#[test]
fn a_standby_takes_over_with_all_that_was_acknowledged() {
    let mut primary = Cluster::start_with(&[], &[]).unwrap();
    let storage = Storage::postgres_in(&primary);
    let token = storage.token("shop", "all", "forever");
    let standby = primary.standby().unwrap();
    primary.wait_for_standby().unwrap();
    let StorageKind::Postgres(database) = storage.kind() else { panic!("it is PostgreSQL") };
    let name = database.name();
    let (first, second) = (primary.port(), standby.port());
    let url = format!(
        "postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{name}\
         ?target_session_attrs=read-write"
    );
    let server = Server::start_with(&storage, &[("STORAGE__URL", &url)]);
    let load = survive(&server, &token, |_| {
        primary.crash();
        standby.promote().unwrap();
    });
    let outage = load.outage();
    let refused = load.refused.lock().unwrap();
    let _for_whoever_runs_it = writeln!(
        io::stderr(),
        "fail-over: no device was stored for {outage:?}; meanwhile the codes were {refused:?}"
    );
    assert!(outage < Duration::from_secs(10), "{outage:?}");
}
