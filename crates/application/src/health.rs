//! Readiness.

use crate::{Error, Service};

impl Service {
    /// Checks that the service is ready: the database responds and has the expected schema.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn check_health(&self) -> Result<(), Error> {
        Ok(self.stores.health.check().await?)
    }
}
