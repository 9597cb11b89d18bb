//! The port for the health of the database.

use async_trait::async_trait;

use crate::StoreResult;

/// The health of the database.
#[async_trait]
pub trait StoreHealth: Send + Sync + 'static {
    /// Checks that the database answers and has the schema that the adapter needs.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError); [`StoreError::Corrupt`](crate::StoreError::Corrupt) for
    /// another schema.
    async fn check(&self) -> StoreResult<()>;
}
