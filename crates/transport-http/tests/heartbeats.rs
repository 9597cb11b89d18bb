//! The heartbeats of the workers, with a server that runs.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::rt;
use merchant_otp_application::Service;
use merchant_otp_domain::Timestamp;
use merchant_otp_ports::Clock;
use merchant_otp_sealing::{Keyring, MasterKey};
use merchant_otp_transport_http::{HttpSettings, bind};
use merchant_otp_transport_kit::{Heartbeats, Limits};

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

fn service() -> Service {
    let keyring = Keyring::new(vec![MasterKey::generate().unwrap()]).unwrap();
    Service::new(merchant_otp_storage_memory::open(), Arc::new(keyring), Arc::new(Epoch))
}

/// Begins rounds until one has this result.
#[track_caller]
fn wait_for(heartbeats: &Heartbeats, all_alive: bool) {
    let start = Instant::now();
    loop {
        // The time that the workers have to answer.
        thread::sleep(Duration::from_millis(50));
        if heartbeats.begin_round() == all_alive {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never {all_alive}");
    }
}

#[test]
fn a_blocked_worker_is_noticed_while_the_other_one_serves() {
    let gate = Arc::new(Mutex::new(()));
    let is_first = AtomicBool::new(true);
    let settings = HttpSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        limits: Limits {
            max_body_bytes: 1024,
            body_deadline: Duration::from_secs(5),
            max_connections: 16,
            max_connections_per_address: 16,
            request_deadline: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(1),
        },
        tls: None,
        proxy_header: None,
        currencies: Vec::new(),
        workers: 2,
    };
    let worker_gate = Arc::clone(&gate);
    let on_worker = move || {
        if is_first.swap(false, Ordering::Relaxed) {
            let gate = Arc::clone(&worker_gate);
            rt::spawn(async move {
                loop {
                    // Blocks the thread of the worker while the test holds the gate.
                    drop(gate.lock().unwrap());
                    rt::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        service()
    };
    let bound = bind(settings, on_worker, None).unwrap();
    let heartbeats = bound.heartbeats();
    let _server = thread::spawn(|| rt::System::new().block_on(bound.run(pending())));
    // Both workers have begun when the first one can be blocked.
    thread::sleep(Duration::from_millis(500));
    wait_for(&heartbeats, true);
    let held = gate.lock().unwrap();
    wait_for(&heartbeats, false);
    // It stays unanswered for as long as the worker is blocked.
    thread::sleep(Duration::from_millis(100));
    assert!(!heartbeats.begin_round());
    drop(held);
    wait_for(&heartbeats, true);
}
