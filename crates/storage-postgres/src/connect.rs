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
/// Waiting for a lock or a statement is bounded; a lock that is not granted in time is contention,
/// which the application retries. An acknowledged write is durable whatever the default of the
/// server is. Statements are planned once: each has one good plan, and planning again for other
/// values costs as much as executing it. Citus has no distributed plan without the values.
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

/// The settings, besides [`SETTINGS`], of a session that looks rows up by their keys.
///
/// A plan is kept until the next `ANALYZE`, and most are made while a table is small. Without these
/// a small table would be read as a whole, and still be when it has grown.
pub(crate) const LOOKUP_SETTINGS: &str =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// How long opening a session may take, TLS, log-in and settings included: `connect_timeout` of the
/// URL covers the connection alone.
const SESSION_TIMEOUT: Duration = Duration::from_secs(15);

/// Makes the server report errors in English, if it lets this role: diesel passes on the texts of
/// errors but not their codes, and contention is recognised by its text.
const ENGLISH: &str = "SET lc_messages = 'C'";

/// The texts of `deadlock_detected` (40P01) and `lock_not_available` (55P03); the last one is that
/// of a deadlock over several workers of Citus (40P01).
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

/// The server of a database, and how sessions with it are opened.
#[derive(Clone)]
pub(crate) struct Server {
    url: PostgresUrl,
    /// When the server was last found not to respond, by whichever pool. Sessions from before may
    /// lead to a frozen server, and are given up.
    unresponsive_at: Arc<Mutex<Option<Instant>>>,
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self, PostgresUrlError> {
        Ok(Self { url: PostgresUrl::parse(url)?, unresponsive_at: Arc::default() })
    }

    /// Opens a session with some more settings, whose socket and whose task are on `runtime`.
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
        // Certificates are read from files.
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

    /// Whether a session that was opened at this time may lead to a server that does not respond.
    pub(crate) fn is_suspect(&self, opened_at: Instant) -> bool {
        *self.lock() >= Some(opened_at)
    }

    /// Gives up all sessions that are open, as one that was opened at this time did not respond.
    pub(crate) fn mark_unresponsive(&self, opened_at: Instant) {
        let mut unresponsive_at = self.lock();
        // Of several sessions from the same time the first one counts.
        if *unresponsive_at < Some(opened_at) {
            *unresponsive_at = Some(Instant::now());
            tracing::warn!("database not responding; closing its connections");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.unresponsive_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of an error with its causes, for libraries that keep a text only.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
