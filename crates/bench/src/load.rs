//! The load generator: wrk with a script.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use merchant_otp_test_tools::apt_install;
use serde::Deserialize;

use crate::program::run;

const SCRIPT: &str = include_str!("load.lua");

/// A load: the requests, their target and their concurrency.
pub(crate) struct Load<'a> {
    pub(crate) port: u16,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: &'a str,
    /// The prefix of the ids of devices.
    pub(crate) prefix: &'a str,
    /// GET reads the thousand devices whose numbers are multiples of this value.
    pub(crate) step: u32,
    pub(crate) connections: u16,
    pub(crate) seconds: u64,
}

/// The throughput and the latency of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// Requests per second.
    pub(crate) rate: f64,
    /// The median latency, in milliseconds.
    pub(crate) median: f64,
    /// The 99th percentile of the latency, in milliseconds.
    pub(crate) p99: f64,
}

#[derive(Deserialize)]
struct Report {
    requests: f64,
    microseconds: f64,
    median: f64,
    p99: f64,
    failed: u64,
}

impl Load<'_> {
    /// Sends requests as fast as they are answered, from one thread of wrk.
    pub(crate) fn run(&self, folder: &Path) -> Result<Answered> {
        let script = folder.join("load.lua");
        std::fs::write(&script, SCRIPT)?;
        let output = run(Command::new("wrk")
            .args(["--threads", "1", "--latency"])
            .arg(format!("--connections={}", self.connections))
            .arg(format!("--duration={}s", self.seconds))
            .arg("--script")
            .arg(&script)
            .arg(format!("http://127.0.0.1:{}", self.port))
            .env("BENCH_METHOD", self.method)
            .env("BENCH_PATH", self.path)
            .env("BENCH_TOKEN", self.token)
            .env("BENCH_PREFIX", self.prefix)
            .env("BENCH_STEP", self.step.to_string()))?;
        let report = output.lines().rfind(|line| line.starts_with('{')).context("wrk's report")?;
        let report: Report = serde_json::from_str(report)?;
        ensure!(report.failed == 0, "{} requests failed: {output}", report.failed);
        Ok(Answered {
            rate: report.requests / report.microseconds * 1e6,
            median: report.median / 1e3,
            p99: report.p99 / 1e3,
        })
    }
}

/// Installs wrk with apt if it is missing.
pub(crate) fn install() -> Result<()> {
    if Command::new("wrk").arg("--version").output().is_ok() {
        return Ok(());
    }
    apt_install(&["wrk"], "install wrk (https://github.com/wg/wrk)")
}
