//! A database for a test.

use std::env;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use postgres::{Client, NoTls};

use crate::Cluster;

/// The environment variable that holds the URL of the maintenance database of the tests' cluster.
pub const ENVIRONMENT: &str = "THROWAWAY_POSTGRES_URL";

/// Makes the names of a process different.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty database in the tests' cluster, dropped when the value is.
pub struct Database {
    name: String,
    maintenance_url: String,
}

impl Database {
    /// Makes a database in the tests' cluster; from a thread of a runtime too.
    ///
    /// # Panics
    ///
    /// Without the cluster: a test that needs PostgreSQL fails, it is never skipped.
    #[must_use]
    #[expect(clippy::panic, reason = "the failure of a test")]
    pub fn create() -> Self {
        let Ok(maintenance_url) = env::var(ENVIRONMENT) else {
            panic!("no PostgreSQL: `cargo xtask test` brings one and runs the tests");
        };
        Self::at(maintenance_url)
    }

    /// Makes a database in a cluster of its own.
    #[must_use]
    pub fn create_in(cluster: &Cluster) -> Self {
        Self::at(cluster.url("postgres"))
    }

    fn at(maintenance_url: String) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("test_{}_{number}_{now}", process::id());
        let database = Self { name, maintenance_url };
        database.maintain(&format!("CREATE DATABASE {}", database.name));
        database
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        self.maintenance_url.replace("/postgres?", &format!("/{}?", self.name))
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A session with the database, as superuser; for a thread without a runtime.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the failure of a test")]
    pub fn session(&self) -> Client {
        Client::connect(&self.url(), NoTls).expect("the cluster answers")
    }

    /// Executes a statement in the maintenance database, as superuser; from any thread.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[expect(clippy::expect_used, reason = "the failure of a test")]
    pub fn maintain(&self, statement: &str) {
        self.try_to_maintain(statement).expect("the cluster does it");
    }

    #[expect(clippy::expect_used, reason = "the failure of a test")]
    fn try_to_maintain(&self, statement: &str) -> Result<(), postgres::Error> {
        // A thread of its own: the synchronous client must not block a runtime.
        thread::scope(|scope| {
            let work = scope.spawn(|| {
                let mut client = Client::connect(&self.maintenance_url, NoTls)?;
                client.batch_execute(statement)
            });
            work.join().expect("no panic")
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !thread::panicking() {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            // The test may have broken its cluster.
            let _cluster_is_gone = self.try_to_maintain(&drop);
        }
    }
}
