//! A temporary database for a test.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use postgres::{Client, NoTls};

use crate::{Cluster, shared};

/// Makes the database names of a process unique.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A new database in a cluster, removed when the value is dropped.
pub struct Database {
    name: String,
    maintenance_url: String,
}

impl Database {
    /// Creates a database in the cluster that the tests share. May be called on a thread of a
    /// runtime.
    ///
    /// Ends the process with a message if there is no PostgreSQL: a test that needs it is never
    /// skipped.
    #[must_use]
    pub fn create() -> Self {
        Self::at(shared::maintenance_url().to_owned())
    }

    /// Creates a database in the given cluster.
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

    /// Opens a session as superuser. Must be called on a thread without a runtime.
    ///
    /// # Panics
    ///
    /// If the server does not respond.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the failure of a test")]
    pub fn session(&self) -> Client {
        Client::connect(&self.url(), NoTls).expect("the cluster answers")
    }

    /// Executes a statement in the maintenance database, as superuser. May be called on any thread.
    ///
    /// # Panics
    ///
    /// If the statement fails.
    #[expect(clippy::expect_used, reason = "the failure of a test")]
    pub fn maintain(&self, statement: &str) {
        self.try_to_maintain(statement).expect("the cluster does it");
    }

    #[expect(clippy::expect_used, reason = "the failure of a test")]
    fn try_to_maintain(&self, statement: &str) -> Result<(), postgres::Error> {
        // On a new thread, because the synchronous client must not block a runtime.
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
