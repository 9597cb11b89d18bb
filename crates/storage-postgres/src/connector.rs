use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{Connection, TransactionManager};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use futures_util::FutureExt;
use merchant_otp_ports::Cause;
use merchant_otp_storage_diesel::{Connector, Interrupter, units_of_work};
use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tokio::time::timeout;

use crate::PostgresUrlError;
use crate::runtime::SessionRuntime;
use crate::tls;
use crate::url::PostgresUrl;

/// What is set in each session.
///
/// Whoever waits for a lock or a statement does so for a bounded time; a lock that does not come in
/// time is contention, which the application tries again. An acknowledged write is durable whatever
/// the default of the server is. Statements are planned once: each has one good plan, and planning again
/// for other values costs as much as running it.
const SETTINGS: &str = "
    SET lock_timeout = '1s';
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '10s';
    SET plan_cache_mode = force_generic_plan;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';
";

/// How often the task that moves the bytes gets its turn before a session is used again: once to hear of
/// them, and once to move them.
const TURNS: u32 = 3;

/// How long opening a session may take, TLS, log-in and settings included: `connect_timeout` of the
/// URL is for the connection alone.
const SESSION_TIMEOUT: Duration = Duration::from_secs(15);

/// Makes the server speak English, where it lets us: diesel hands on the texts of errors but not
/// their codes, and contention is known by its text.
const ENGLISH: &str = "SET lc_messages = 'C'";

/// The texts of `deadlock_detected` (40P01) and `lock_not_available` (55P03).
const CONTENTION: [&str; 3] =
    ["deadlock detected", "canceling statement due to lock timeout", "could not obtain lock on"];

/// How long a unit of work may take: then the server is taken for one that does not answer.
pub(crate) const UNIT: Duration = Duration::from_secs(15);

/// Opens sessions with a server.
#[derive(Clone, Debug)]
pub(crate) struct PostgresConnector {
    url: PostgresUrl,
    /// How often the server did not answer. Sessions from before lead to the same server, and are given up.
    failures: Arc<AtomicU64>,
}

/// A session with a server, and the task that moves its bytes.
pub(crate) struct PostgresSession {
    pub(crate) connection: PgConnection,
    driver: Driver,
    opened_after: u64,
    runtime: SessionRuntime,
}

/// The connection of a session, as diesel knows it.
type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, SessionRuntime>;

/// The task that moves the bytes of a session; it ends with the session.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    /// Whether the connection is there no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Whether it is there no more for want of the runtime that it was opened on.
    pub(crate) fn lost_its_runtime(&mut self) -> bool {
        let ended = (&mut self.0).now_or_never();
        matches!(ended, Some(Err(error)) if error.is_cancelled())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

units_of_work!(PostgresSession, connection: PgConnection);

impl PostgresConnector {
    pub(crate) fn new(url: &str) -> Result<Self, PostgresUrlError> {
        PostgresUrl::parse(url).map(|url| Self { url, failures: Arc::default() })
    }

    /// How often the server did not answer until now.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Says that the server did not answer on a connection that was opened after so many times.
    pub(crate) fn does_not_answer(&self, opened_after: u64) {
        tracing::warn!("the database does not answer; giving the connection up");
        // Of several connections from the same time the first one counts: those opened since may be good.
        let (now, next) = (opened_after, opened_after + 1);
        let _others_said_so =
            self.failures.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Opens a session; blocks, on a thread that may do so.
    pub(crate) fn open(&self) -> Result<PostgresSession, Cause> {
        let runtime = SessionRuntime::new()?;
        let opened_after = self.failures();
        let (client, driver) = runtime.get().block_on(self.connect(""))?;
        let connection = runtime.wrap(|| PgConnection::from(client));
        Ok(PostgresSession { connection, driver, opened_after, runtime })
    }

    /// Opens a connection, whose bytes are moved on the runtime of the caller; `more` is set in it besides.
    pub(crate) async fn connect(&self, more: &str) -> Result<(AsyncPgConnection, Driver), Cause> {
        timeout(SESSION_TIMEOUT, self.connect_and_set(more)).await?
    }

    async fn connect_and_set(&self, more: &str) -> Result<(AsyncPgConnection, Driver), Cause> {
        // Certificates are read from files.
        let verification = self.url.verification.clone();
        let tls = spawn_blocking(move || tls::connector(&verification)).await??;
        let (client, stream) = self.url.config.connect(tls).await?;
        let driver = Driver(tokio::spawn(async move {
            if let Err(error) = stream.await {
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(cause, "a connection to the database broke");
            }
        }));
        client.batch_execute(&[SETTINGS, more].concat()).await?;
        if client.batch_execute(ENGLISH).await.is_err() {
            tracing::debug!("the server does not let this role choose the language of messages");
        }
        Ok((AsyncPgConnection::try_from(client).await?, driver))
    }
}

impl Connector for PostgresConnector {
    type Connection = PostgresSession;

    fn connect(&self) -> Result<PostgresSession, Cause> {
        self.open()
    }

    fn is_usable(&self, session: &mut PostgresSession) -> bool {
        type Transactions = <PgConnection as Connection>::TransactionManager;
        // What the server said meanwhile is heard now: nobody moved the bytes of an idle session.
        session.runtime.get().block_on(async {
            for _ in 0..TURNS {
                yield_now().await;
            }
        });
        session.opened_after == self.failures()
            && !session.driver.has_ended()
            && !Transactions::is_broken_transaction_manager(&mut session.connection)
    }

    /// Ends the task that moves the bytes: the client then says that the connection is closed.
    ///
    /// The timeouts of the session are kept by the server; this is for one that keeps none, frozen or
    /// cut off.
    fn interrupter(&self, session: &PostgresSession) -> Option<Interrupter> {
        let (driver, connector) = (session.driver.0.abort_handle(), self.clone());
        let opened_after = session.opened_after;
        Some(Box::new(move || {
            connector.does_not_answer(opened_after);
            driver.abort();
        }))
    }

    fn is_contention(_: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> bool {
        CONTENTION.iter().any(|text| information.message().starts_with(text))
    }
}
