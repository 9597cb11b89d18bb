//! Readiness.

use crate::{Error, Service};

impl Service {
    /// Checks that the service can do its work: its database answers, and has the schema that is
    /// needed.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn check_health(&self) -> Result<(), Error> {
        Ok(self.stores.health.check().await?)
    }
}
