//! Queries of OTP devices. Compiled into each SQL adapter and implemented on its `SqlStores`.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, OtpDeviceSummary, SealedOtpDevice};
use merchant_otp_ports::{OtpDeviceInsertion, OtpDeviceStore, StoreResult};
use merchant_otp_storage_sql::rows::{DeviceToInsert, LIST_OTP_DEVICES, OtpDeviceSummaryRow};
use merchant_otp_storage_sql::schema::otp_devices;

use super::SqlStores;

#[async_trait]
impl OtpDeviceStore for SqlStores {
    async fn insert(
        &self,
        instance: &InstanceId,
        device: SealedOtpDevice,
        event: &AuditEvent,
    ) -> StoreResult<OtpDeviceInsertion> {
        let (instance, event) = (instance.clone(), event.clone());
        self.batchers().insertions.run(DeviceToInsert { instance, device, event }).await
    }

    async fn find(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
    ) -> StoreResult<Option<SealedOtpDevice>> {
        self.batchers().devices.run((instance.clone(), id.clone())).await
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: Option<&OtpDeviceId>,
        limit: u16,
        max_bytes: u32,
    ) -> StoreResult<Vec<OtpDeviceSummary>> {
        // No id is empty, so all ids are greater than the empty text.
        let after = after.map(OtpDeviceId::as_str).unwrap_or_default().to_owned();
        let query = diesel::sql_query(LIST_OTP_DEVICES)
            .bind::<Text, _>(instance.as_str().to_owned())
            .bind::<Text, _>(after)
            .bind::<BigInt, _>(i64::from(limit))
            .bind::<BigInt, _>(i64::from(max_bytes));
        self.reading.fetch(query, OtpDeviceSummaryRow::into_summary).await
    }

    async fn replace(
        &self,
        instance: &InstanceId,
        current: &SealedOtpDevice,
        replacement: &SealedOtpDevice,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let key = (instance.as_str().to_owned(), current.id.as_str().to_owned());
        let unchanged = otp_devices::table
            .find(key)
            .filter(otp_devices::description.eq(current.description.as_str().to_owned()))
            .filter(otp_devices::sealed_key.eq(current.key.as_bytes().to_vec()))
            .filter(otp_devices::algorithm.eq(i16::from(current.algorithm.number())))
            .filter(otp_devices::counter.eq(current.counter.value()));
        // The primary key is not set: a distributed database refuses to change it, even to the same
        // value.
        let statement = diesel::update(unchanged).set((
            otp_devices::description.eq(replacement.description.as_str().to_owned()),
            otp_devices::sealed_key.eq(replacement.key.as_bytes().to_vec()),
            otp_devices::algorithm.eq(i16::from(replacement.algorithm.number())),
            otp_devices::counter.eq(replacement.counter.value()),
        ));
        self.change(event, statement).await
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let key = (instance.as_str().to_owned(), id.as_str().to_owned());
        self.change(event, diesel::delete(otp_devices::table.find(key))).await
    }
}
