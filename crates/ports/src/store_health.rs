//! The port for the health of the database.

use async_trait::async_trait;

use crate::StoreResult;

/// The health of the database.
///
/// ```
/// use async_trait::async_trait;
/// use merchant_otp_ports::{StoreError, StoreHealth, StoreResult};
///
/// struct Database {
///     schema: u32,
/// }
///
/// #[async_trait]
/// impl StoreHealth for Database {
///     async fn check(&self) -> StoreResult<()> {
///         match self.schema {
///             3 => Ok(()),
///             _ => Err(StoreError::Corrupt("the schema is not version 3".into())),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait StoreHealth: Send + Sync + 'static {
    /// Checks that the database responds and has the schema that the adapter needs.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::StoreError); [`StoreError::Corrupt`](crate::StoreError::Corrupt) if
    /// the schema is another one.
    async fn check(&self) -> StoreResult<()>;
}
