//! Query of the health check. Compiled into each SQL adapter and implemented on its `SqlStores`.

use async_trait::async_trait;
use diesel::prelude::*;
use merchant_otp_ports::{StoreError, StoreHealth, StoreResult};
use merchant_otp_storage_sql::schema::__diesel_schema_migrations;

use super::SqlStores;

#[async_trait]
impl StoreHealth for SqlStores {
    async fn check(&self) -> StoreResult<()> {
        let versions =
            __diesel_schema_migrations::table.select(__diesel_schema_migrations::version);
        let applied: Vec<String> = self.reading.fetch(versions, Ok).await?;
        // A newer version of the service may have applied more.
        if self.migrations.iter().all(|migration| applied.contains(migration)) {
            Ok(())
        } else {
            Err(StoreError::Corrupt("migrations are pending".into()))
        }
    }
}
