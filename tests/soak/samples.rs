//! Memory and file descriptors of the service under load.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use merchant_otp_tests::Server;

use crate::Run;

/// Allowed growth of memory from the second to the last quarter of a lifetime, in KiB; or a tenth,
/// if that is more.
const MEMORY: u64 = 4 * 1024;

/// Allowed growth of the number of open file descriptors.
const DESCRIPTORS: u64 = 8;

#[derive(Default)]
pub(crate) struct Samples(Mutex<Vec<Sample>>);

#[derive(Clone, Copy)]
struct Sample {
    process: u32,
    /// Resident memory, in KiB.
    memory: u64,
    descriptors: u64,
}

impl Samples {
    pub(crate) fn take_until_stopped(&self, run: &Run) {
        while run.is_running() {
            self.0.lock().unwrap().extend(Sample::of(run.process.load(Ordering::Relaxed)));
            sleep(Duration::from_millis(500));
        }
    }

    /// Asserts that the medians of the last quarter of the lifetime of a service are at most
    /// slightly above those of the second.
    ///
    /// The first quarter is ignored: buffers, threads and connections are still being created.
    pub(crate) fn expect_flat(&self, server: &Server) {
        let samples = self.0.lock().unwrap();
        let of_server = samples.iter().filter(|sample| sample.process == server.id());
        let life: Vec<_> = of_server.copied().collect();
        let quarter = life.len() / 4;
        assert!(quarter >= 10, "too short to tell");
        let second = Sample::median(&life[quarter..2 * quarter]);
        let last = Sample::median(&life[3 * quarter..]);
        println!(
            "  memory: {} KiB in the second quarter of the last life, {} KiB in the last; \
             descriptors: {} and {}; {} s",
            second.memory,
            last.memory,
            second.descriptors,
            last.descriptors,
            life.len() / 2
        );
        let allowed = second.memory + MEMORY.max(second.memory / 10);
        assert!(last.memory <= allowed, "memory grows");
        assert!(last.descriptors <= second.descriptors + DESCRIPTORS, "descriptors leak");
    }
}

impl Sample {
    fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let memory = memory.trim().strip_suffix(" kB")?.parse().ok()?;
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
        Some(Self { process, memory, descriptors: descriptors.try_into().ok()? })
    }

    fn median(samples: &[Self]) -> Self {
        let median = |of: fn(&Self) -> u64| {
            let mut values: Vec<_> = samples.iter().map(of).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        let (memory, descriptors) = (median(|one| one.memory), median(|one| one.descriptors));
        Self { memory, descriptors, ..samples[0] }
    }
}
