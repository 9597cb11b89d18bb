//! Faults that are injected under load.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use fastrand::Rng;
use merchant_otp_tests::{Server, Storage, StorageKind};
use merchant_otp_throwaway_postgres::Cluster;

use crate::Run;

pub(crate) struct Faults<'a> {
    pub(crate) run: &'a Run,
    pub(crate) storage: &'a Storage,
    pub(crate) cluster: Option<&'a mut Cluster>,
    pub(crate) rng: Rng,
    /// Always `Some`, except during a restart.
    pub(crate) server: Option<Server>,
}

impl Faults<'_> {
    /// Injects one fault after another until the time is over; returns the running service.
    ///
    /// The service is not restarted in the second half, so that it runs long enough to show whether
    /// its memory grows.
    pub(crate) fn inject(mut self, begin: Instant, duration: Duration) -> Server {
        let mut injected = BTreeMap::<&str, u32>::new();
        // The last fault ends early enough for the service to recover.
        while begin.elapsed() + Duration::from_secs(10) < duration {
            self.pause(1_500..4_000);
            let first_half = begin.elapsed() < duration / 2;
            let fault = match (self.rng.u32(..if first_half { 5 } else { 3 }), &mut self.cluster) {
                (0, _) => self.hold_a_lock(),
                (1, Some(cluster)) => {
                    cluster.crash();
                    sleep(Duration::from_millis(self.rng.u64(0..1_000)));
                    cluster.start_again().unwrap();
                    "PostgreSQL killed and started"
                }
                (2, Some(cluster)) => {
                    cluster.freeze();
                    sleep(Duration::from_millis(self.rng.u64(100..3_000)));
                    cluster.thaw();
                    "PostgreSQL frozen for a while"
                }
                (3, _) => self.restart(Server::kill, "service killed and started"),
                (4, _) => self.restart(|server| drop(server.stop()), "service stopped and started"),
                _ => continue,
            };
            *injected.entry(fault).or_default() += 1;
        }
        sleep(duration.saturating_sub(begin.elapsed()));
        println!("  faults: {injected:?}");
        self.server.unwrap()
    }

    fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(milliseconds)));
    }

    fn restart(&mut self, end: fn(Server), fault: &'static str) -> &'static str {
        end(self.server.take().unwrap());
        self.server = Some(self.run.start(self.storage));
        fault
    }

    fn hold_a_lock(&mut self) -> &'static str {
        let length = Duration::from_millis(self.rng.u64(100..3_000));
        match self.storage.kind() {
            StorageKind::Sqlite(_) => {
                let mut session = self.storage.sqlite_session();
                session.batch_execute("BEGIN IMMEDIATE").unwrap();
                sleep(length);
                session.batch_execute("ROLLBACK").unwrap();
            }
            StorageKind::Postgres(database) => {
                let mut session = database.session();
                session.batch_execute("BEGIN; LOCK otp_devices IN EXCLUSIVE MODE").unwrap();
                sleep(length);
                session.batch_execute("ROLLBACK").unwrap();
            }
        }
        "lock held by another session"
    }
}
