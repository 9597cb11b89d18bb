//! The health check, which always succeeds.

use async_trait::async_trait;
use merchant_otp_ports::{StoreHealth, StoreResult};

use crate::Memory;

#[async_trait]
impl StoreHealth for Memory {
    async fn check(&self) -> StoreResult<()> {
        Ok(())
    }
}
