use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use merchant_otp_ports::{Cause, StoreError};
use merchant_otp_storage_diesel::{Failure, store_error};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::error::Elapsed;

use crate::connector::{Driver, PostgresConnector};

/// A session for batches, on the runtime of those who ask.
///
/// It is opened by the first of them, and again by the next one after it broke.
#[derive(Clone)]
pub(crate) struct LaneSession {
    connector: PostgresConnector,
    opened: Arc<Mutex<Option<Opened>>>,
}

/// A connection, and the task that moves its bytes.
struct Opened {
    connection: AsyncPgConnection,
    driver: Driver,
    after: u64,
}

impl LaneSession {
    pub(crate) fn new(connector: PostgresConnector) -> Self {
        Self { connector, opened: Arc::default() }
    }

    /// The connection for a batch, when it is its turn.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let mut place = self.opened.lock().await;
        let is_usable = |opened: &Opened| {
            opened.after == self.connector.failures() && !opened.driver.has_ended()
        };
        let opened = match place.take().filter(is_usable) {
            Some(opened) => opened,
            None => self.open().await.map_err(StoreError::Unavailable)?,
        };
        Ok(Turn { connector: &self.connector, place, opened })
    }

    async fn open(&self) -> Result<Opened, Cause> {
        let after = self.connector.failures();
        let (connection, driver) = self.connector.connect().await?;
        Ok(Opened { connection, driver, after })
    }
}

/// A batch's time with the connection.
pub(crate) struct Turn<'a> {
    connector: &'a PostgresConnector,
    place: MutexGuard<'a, Option<Opened>>,
    opened: Opened,
}

impl Turn<'_> {
    pub(crate) fn connection(&mut self) -> &mut AsyncPgConnection {
        &mut self.opened.connection
    }

    /// Ends the turn with what came of it, or with `late` if nothing did in time.
    ///
    /// A turn that is not ended, or failed, takes its connection with it, which may be broken.
    pub(crate) fn end<T>(
        mut self,
        done: Result<Result<T, Failure>, Elapsed>,
        late: fn(Cause) -> StoreError,
    ) -> Result<T, StoreError> {
        let done = match done {
            Ok(done) => done.map_err(store_error::<PostgresConnector>),
            Err(elapsed) => {
                self.connector.does_not_answer();
                return Err(late(elapsed.into()));
            }
        };
        if !matches!(done, Err(StoreError::Read(_) | StoreError::Write(_))) {
            *self.place = Some(self.opened);
        }
        done
    }
}
