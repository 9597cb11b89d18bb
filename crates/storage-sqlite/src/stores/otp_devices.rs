use async_trait::async_trait;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, OtpDeviceSummary, SealedOtpDevice};
use merchant_otp_ports::{OtpDeviceInsertion, OtpDeviceStore, StoreResult};
use merchant_otp_storage_sql::rows::{
    DeviceToInsert, NewOtpDeviceRow, OtpDeviceChanges, OtpDeviceRow, OtpDeviceSummaryRow,
    conflicting_device,
};
use merchant_otp_storage_sql::schema::otp_devices;
use merchant_otp_storage_sql::{Deduplicated, Failure};

use super::{EachResult, SqliteStores, audit, each, reading, values};

#[async_trait]
impl OtpDeviceStore for SqliteStores {
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
    ) -> StoreResult<Vec<OtpDeviceSummary>> {
        // No id is empty: all are after the empty one.
        let after = after.map(OtpDeviceId::as_str).unwrap_or_default().to_owned();
        let query = otp_devices::table
            .filter(otp_devices::instance_id.eq(instance.as_str().to_owned()))
            .filter(otp_devices::device_id.gt(after))
            .order(otp_devices::device_id)
            .limit(limit.into())
            .select(OtpDeviceSummaryRow::as_select());
        values(self.fetch(query).await?, OtpDeviceSummaryRow::into_summary)
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
        let changes = OtpDeviceChanges::from(replacement);
        self.change(event, diesel::update(unchanged).set(changes)).await
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

/// Stores the devices that do not exist, and their events, in one transaction.
///
/// Of several with the same id the first one is stored, and the others conflict with it.
pub(super) fn insert_all(
    connection: &mut SqliteConnection,
    devices: &[DeviceToInsert],
) -> EachResult<OtpDeviceInsertion> {
    connection.immediate_transaction(|connection| {
        let mut events = Vec::new();
        let results = each(devices, |device| {
            let inserted = diesel::insert_into(otp_devices::table)
                .values(NewOtpDeviceRow::from(device))
                .on_conflict_do_nothing()
                .execute(connection);
            match inserted {
                Ok(0) => conflicting_device(find(connection, &device.instance, &device.device.id)?),
                Ok(_) => Ok(OtpDeviceInsertion::Stored),
                // The statement fails, and not the transaction.
                Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                    Ok(OtpDeviceInsertion::NoSuchInstance)
                }
                Err(error) => Err(Failure::Write(error)),
            }
        })?;
        for (device, result) in devices.iter().zip(&results) {
            if let Ok(OtpDeviceInsertion::Stored) = result {
                events.push(&device.event);
            }
        }
        audit::append(connection, &events)?;
        Ok(results)
    })
}

/// The devices of instances and ids.
pub(super) fn find_all(
    connection: &mut SqliteConnection,
    requests: &[(InstanceId, OtpDeviceId)],
) -> EachResult<Option<SealedOtpDevice>> {
    let requests = Deduplicated::new(requests);
    let found = reading(connection, |connection| {
        each(&requests.distinct, |(instance, id)| find(connection, instance, id))
    })?;
    Ok(requests.fan_out(&found))
}

fn find(
    connection: &mut SqliteConnection,
    instance: &InstanceId,
    id: &OtpDeviceId,
) -> Result<Option<SealedOtpDevice>, Failure> {
    // Without `first`: SQLite prepares a statement with a bound LIMIT at each execution.
    otp_devices::table
        .find((instance.as_str(), id.as_str()))
        .select(OtpDeviceRow::as_select())
        .get_result(connection)
        .optional()
        .map_err(Failure::Read)?
        .map(OtpDeviceRow::into_device)
        .transpose()
        .map_err(Failure::Corrupt)
}
