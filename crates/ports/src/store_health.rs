use async_trait::async_trait;

use crate::StoreError;

/// Tells whether the database can be worked with.
#[async_trait]
pub trait StoreHealth: Send + Sync + 'static {
    /// Checks that the database answers, and has the schema that the adapter needs.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; [`StoreError::Corrupt`] for another schema.
    async fn check(&self) -> Result<(), StoreError>;
}
