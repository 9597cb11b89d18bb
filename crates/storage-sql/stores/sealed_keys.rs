//! Queries of sealed keys. Compiled into each SQL adapter and implemented on its `SqlStores`.

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use merchant_otp_domain::{MasterKeyId, SealedOtpKey};
use merchant_otp_ports::{DamagedKey, DeviceKey, KeyReplacement, SealedKeyStore, StoreResult};
use merchant_otp_storage_sql::rows::{COUNT_MASTER_KEYS, DeviceKeyRow, MasterKeyCountRow};
use merchant_otp_storage_sql::schema::{master_keys, otp_devices};

use super::SqlStores;

#[async_trait]
impl SealedKeyStore for SqlStores {
    async fn list(
        &self,
        after: Option<(&str, &str)>,
        limit: u16,
    ) -> StoreResult<Vec<Result<DeviceKey, DamagedKey>>> {
        // No id is empty, so all pairs of ids are greater than two empty texts.
        let (instance, device) = after.unwrap_or_default();
        // Comparing the pair lets the database search the index; diesel has no expression for it.
        let after = sql::<Bool>("(instance_id, device_id) > (")
            .bind::<Text, _>(instance.to_owned())
            .sql(", ")
            .bind::<Text, _>(device.to_owned())
            .sql(")");
        let query = otp_devices::table
            .filter(after)
            .order((otp_devices::instance_id, otp_devices::device_id))
            .limit(limit.into())
            .select(DeviceKeyRow::as_select());
        self.reading.fetch(query, |row: DeviceKeyRow| Ok(row.into_key())).await
    }

    async fn master_keys(&self) -> StoreResult<Vec<(MasterKeyId, u64)>> {
        let query = diesel::sql_query(COUNT_MASTER_KEYS);
        self.reading.fetch(query, MasterKeyCountRow::into_count).await
    }

    async fn replace(&self, replacements: Vec<KeyReplacement>) -> StoreResult<u64> {
        self.replace_keys(replacements).await
    }

    async fn check_values(&self) -> StoreResult<Vec<SealedOtpKey>> {
        let query = master_keys::table.select(master_keys::sample);
        self.reading.fetch(query, |check_value: Vec<u8>| Ok(SealedOtpKey::new(check_value)?)).await
    }

    async fn add_check_value(&self, check_value: SealedOtpKey) -> StoreResult<()> {
        let statement = diesel::insert_into(master_keys::table)
            .values((
                master_keys::id.eq(check_value.master_key().as_bytes().to_vec()),
                master_keys::sample.eq(check_value.as_bytes().to_vec()),
            ))
            .on_conflict_do_nothing();
        self.writing.write(statement).await.map(drop)
    }

    async fn remove_check_value(&self, master_key: MasterKeyId) -> StoreResult<bool> {
        let check_value = master_keys::table.find(master_key.as_bytes().to_vec());
        Ok(self.writing.write(diesel::delete(check_value)).await? > 0)
    }
}
