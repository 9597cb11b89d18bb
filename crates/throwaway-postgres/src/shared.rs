//! The cluster that the tests of a process share.

use std::env;
use std::io::{self, Write};
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::{Cluster, binaries};

/// The environment variable with the URL of the maintenance database of the test cluster.
pub const ENVIRONMENT: &str = "THROWAWAY_POSTGRES_URL";

/// Stops the server `$1` when standard input ends, then removes its folder `$2`.
const GUARD: &str = "read -r _; kill -QUIT $1; while kill -0 $1; do sleep 0.1; done; rm -rf $2";

/// Returns the URL of the maintenance database: of the cluster of `cargo xtask test`, or of one
/// that this process starts.
///
/// Ends the process if there is neither, because each test that needs PostgreSQL would fail.
#[expect(clippy::exit, reason = "one message instead of a failure per test")]
pub(crate) fn maintenance_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        env::var(ENVIRONMENT).or_else(|_| start_on_a_thread()).unwrap_or_else(|error| {
            // Not by a macro, whose output the test runner captures.
            let _ignored = writeln!(
                io::stderr(),
                "\nno PostgreSQL for the tests: {error:#}\nrun `cargo xtask test`, which installs it"
            );
            process::exit(1)
        })
    })
}

/// Calls [`start`] on a new thread, because the synchronous client must not block a runtime.
fn start_on_a_thread() -> Result<String> {
    thread::spawn(start).join().map_err(|_| anyhow!("starting a cluster panicked"))?
}

/// Starts a cluster that runs until this process ends, even if it is killed.
fn start() -> Result<String> {
    binaries::find().context("`initdb` and `postgres` are not installed")?;
    let cluster = Cluster::start()?;
    let url = cluster.url("postgres");
    let guard = Command::new("sh")
        .args(["-c", GUARD, "sh", &cluster.process().to_string()])
        .arg(cluster.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("starting the guard of the cluster")?;
    // The end of this process closes the pipe to the guard.
    mem::forget((cluster, guard));
    Ok(url)
}
