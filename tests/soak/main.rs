//! `cargo xtask soak`: mixed load with random faults. Afterwards the responses to clients, the
//! database and the audit trail must agree exactly, and memory and file descriptors must not have
//! grown.
#![expect(clippy::disallowed_methods, reason = "for development only")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a test, which fails by panicking and tells what it did"
)]

mod client;
mod faults;
mod reconciliation;
mod samples;

use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use fastrand::Rng;
use merchant_otp_tests::{Server, Storage};
use merchant_otp_throwaway_postgres::Cluster;

use crate::client::{Account, Client};
use crate::faults::Faults;
use crate::samples::Samples;

/// The number of clients.
const CLIENTS: u64 = 8;

/// The instances whose devices are registered.
const INSTANCES: [&str; 3] = ["shop", "cafe", "kiosk"];

/// Run the service under load and faults, and check its responses against the database.
#[derive(Parser)]
struct Arguments {
    /// Minutes of load on each database.
    #[arg(long, default_value_t = 3)]
    minutes: u32,
    /// Seed of the random choices, to repeat a run as far as its timing allows.
    #[arg(long)]
    seed: Option<u64>,
    /// Databases to test.
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Databases {
    Both,
    Sqlite,
    Postgres,
}

fn main() {
    let arguments = Arguments::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = arguments.seed.unwrap_or_else(|| now.into());
    let duration = Duration::from_mins(1) * arguments.minutes;
    println!("seed {seed}");
    if arguments.database != Databases::Postgres {
        println!("SQLite:");
        soak(&Storage::sqlite(), None, duration, seed);
    }
    if arguments.database != Databases::Sqlite {
        println!("PostgreSQL:");
        let mut cluster = Cluster::start_with(&[], &[]).unwrap();
        let storage = Storage::postgres_in(&cluster);
        soak(&storage, Some(&mut cluster), duration, seed);
    }
}

/// State shared by the threads of a run.
struct Run {
    /// The address of the service; the same after a restart.
    address: String,
    tokens: Vec<String>,
    stop: AtomicBool,
    /// The process id of the service, or 0.
    process: AtomicU32,
    account: Mutex<Account>,
}

impl Run {
    fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn start(&self, storage: &Storage) -> Server {
        let server = Server::start_with(storage, &[("HTTP__LISTEN", &self.address)]);
        self.process.store(server.id(), Ordering::Relaxed);
        server
    }
}

fn soak(storage: &Storage, cluster: Option<&mut Cluster>, duration: Duration, seed: u64) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(storage.run(&["migrate"]).success);
    let run = Run {
        address,
        tokens: INSTANCES.iter().map(|one| storage.token(one, "all", "forever")).collect(),
        stop: AtomicBool::new(false),
        process: AtomicU32::new(0),
        account: Mutex::default(),
    };
    let begin = Instant::now();
    let server = run.start(storage);
    let samples = Samples::default();
    let server = thread::scope(|scope| {
        let _stop = Stop(&run.stop);
        for number in 0..CLIENTS {
            let run = &run;
            scope.spawn(move || {
                let client = Client::new(run, number, Rng::with_seed(seed.wrapping_add(number)));
                client.run_until_stopped();
            });
        }
        scope.spawn(|| samples.take_until_stopped(&run));
        let rng = Rng::with_seed(seed.wrapping_add(CLIENTS));
        Faults { run: &run, storage, cluster, rng, server: Some(server) }.inject(begin, duration)
    });
    samples.expect_flat(&server);
    // After a restart, no request is in progress, and all data comes from the database.
    server.stop();
    let server = Server::start(storage);
    reconciliation::reconcile(storage, &server, &run);
    server.stop();
}

/// Stops the threads of a run on drop.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
