//! Connections to PostgreSQL and their settings.

use std::error::Error;
use std::iter::successors;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::result::DatabaseErrorInformation;
use diesel_async::AsyncPgConnection;
use merchant_otp_ports::Cause;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::PostgresUrlError;
use crate::tls;
use crate::url::PostgresUrl;

/// The settings of every session.
///
/// Waits for locks and statements are bounded; a lock that is not granted in time is contention,
/// which the application retries. Acknowledged writes are durable regardless of the server's
/// default. Statements are planned once: each has one good plan, and planning again for other
/// values costs as much as the execution. Citus is exempt, because its distributed plans depend on
/// the values.
const SETTINGS: &str = "
    SET lock_timeout = '1s';
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '10s';
    SELECT set_config('plan_cache_mode', CASE
        WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN 'auto'
        ELSE 'force_generic_plan' END, false);
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';
";

/// The settings, in addition to [`SETTINGS`], of a session that looks up rows by key.
///
/// A plan is kept until the next `ANALYZE`, and most plans are made while a table is small. Without
/// these settings such a plan would scan the whole table, even after the table has grown.
pub(crate) const LOOKUP_SETTINGS: &str =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// How long opening a session may take, including TLS, log-in and settings. `connect_timeout` in
/// the URL covers only the connection.
const SESSION_TIMEOUT: Duration = Duration::from_secs(15);

/// Makes the server report errors in English, if the role may set this. diesel exposes the texts of
/// errors but not their codes, so contention is recognised by its text.
const ENGLISH: &str = "SET lc_messages = 'C'";

/// The texts of `deadlock_detected` (40P01) and `lock_not_available` (55P03). The last one is a
/// deadlock across several Citus workers (40P01).
const CONTENTION: [&str; 4] = [
    "deadlock detected",
    "canceling statement due to lock timeout",
    "could not obtain lock on",
    "canceling the transaction since it was involved in a distributed deadlock",
];

/// Whether a database error means that a concurrent transaction conflicted.
pub(crate) fn is_contention(information: &dyn DatabaseErrorInformation) -> bool {
    CONTENTION.iter().any(|text| information.message().starts_with(text))
}

/// A database server; opens sessions on it.
#[derive(Clone)]
pub(crate) struct Server {
    url: PostgresUrl,
    /// When any pool last found that the server does not respond. Sessions that were opened before
    /// may lead to a frozen server and are closed.
    unresponsive_at: Arc<Mutex<Option<Instant>>>,
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self, PostgresUrlError> {
        Ok(Self { url: PostgresUrl::parse(url)?, unresponsive_at: Arc::default() })
    }

    /// Opens a session with additional settings. Its socket and its task are on `runtime`.
    pub(crate) async fn connect(
        &self,
        settings: &'static str,
        runtime: &Handle,
    ) -> Result<AsyncPgConnection, Cause> {
        let server = self.clone();
        let connect = async move { timeout(SESSION_TIMEOUT, server.connect_here(settings)).await };
        runtime.spawn(connect).await??
    }

    async fn connect_here(&self, settings: &str) -> Result<AsyncPgConnection, Cause> {
        // Blocking, because certificates are read from files.
        let verification = self.url.verification.clone();
        let tls = spawn_blocking(move || tls::connector(&verification)).await??;
        let (client, connection) = self.url.config.connect(tls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(cause = chain(&error), "database connection broke");
            }
        });
        client.batch_execute(&[SETTINGS, settings].concat()).await?;
        if client.batch_execute(ENGLISH).await.is_err() {
            tracing::debug!("cannot choose the language of messages");
        }
        Ok(AsyncPgConnection::try_from(client).await?)
    }

    /// Whether a session that was opened at `opened_at` may lead to a server that does not respond.
    pub(crate) fn is_suspect(&self, opened_at: Instant) -> bool {
        *self.lock() >= Some(opened_at)
    }

    /// Marks all open sessions as suspect, because one that was opened at `opened_at` did not
    /// respond.
    pub(crate) fn mark_unresponsive(&self, opened_at: Instant) {
        let mut unresponsive_at = self.lock();
        // A session that was opened before the last mark is suspect already.
        if *unresponsive_at < Some(opened_at) {
            *unresponsive_at = Some(Instant::now());
            tracing::warn!("database not responding; closing its connections");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.unresponsive_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Formats an error with its causes, for libraries that keep only a text.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
