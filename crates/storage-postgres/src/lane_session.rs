use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use merchant_otp_ports::{Cause, StoreError};
use merchant_otp_storage_diesel::{Failure, store_error};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::connector::{Driver, PostgresConnector, UNIT};

/// A session for batches, on the runtime of those who ask.
///
/// It is opened by the first of them, and again by the next one after it broke.
#[derive(Clone)]
pub(crate) struct LaneSession {
    connector: PostgresConnector,
    settings: &'static str,
    opened: Arc<Mutex<Option<Opened>>>,
}

/// A connection, and the task that moves its bytes.
struct Opened {
    connection: AsyncPgConnection,
    driver: Driver,
    after: u64,
}

/// What is done for requests with a connection.
type Unit<R, T> =
    for<'a> fn(&'a mut AsyncPgConnection, &'a [R]) -> BoxFuture<'a, Result<T, Failure>>;

impl LaneSession {
    /// A session with settings besides those of every session.
    pub(crate) fn new(connector: PostgresConnector, settings: &'static str) -> Self {
        Self { connector, settings, opened: Arc::default() }
    }

    /// Does a unit of work for requests, when it is its turn; `late` says that it took too long.
    ///
    /// It may be done twice: where the connection went with the runtime of another thread, it is done on a
    /// new one.
    pub(crate) async fn run<R, T>(
        &self,
        requests: &[R],
        unit: Unit<R, T>,
        late: fn(Error) -> Failure,
    ) -> Result<T, StoreError> {
        let mut place = self.opened.lock().await;
        loop {
            // Whoever fails, panics or is dropped takes the connection along, which may be broken.
            let mut opened = match place.take().filter(|opened| self.is_usable(opened)) {
                Some(opened) => opened,
                None => self.open().await.map_err(StoreError::Unavailable)?,
            };
            let done = match timeout(UNIT, unit(&mut opened.connection, requests)).await {
                Ok(done) => done.map_err(store_error::<PostgresConnector>),
                Err(elapsed) => {
                    self.connector.does_not_answer(opened.after);
                    let text = Box::new(elapsed.to_string());
                    let error = Error::DatabaseError(DatabaseErrorKind::ClosedConnection, text);
                    return Err(store_error::<PostgresConnector>(late(error)));
                }
            };
            match done {
                Err(StoreError::Read(_) | StoreError::Write(_))
                    if opened.driver.lost_its_runtime() => {}
                Err(StoreError::Read(_) | StoreError::Write(_)) => return done,
                _ => {
                    *place = Some(opened);
                    return done;
                }
            }
        }
    }

    fn is_usable(&self, opened: &Opened) -> bool {
        opened.after == self.connector.failures() && !opened.driver.has_ended()
    }

    async fn open(&self) -> Result<Opened, Cause> {
        let after = self.connector.failures();
        let (connection, driver) = self.connector.connect(self.settings).await?;
        Ok(Opened { connection, driver, after })
    }
}
