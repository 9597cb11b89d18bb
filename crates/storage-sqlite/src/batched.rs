//! The execution of batches: the requests of a batch run one after the other, in one transaction.
//!
//! On SQLite a statement is cheap and a transaction is expensive.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use merchant_otp_domain::{InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion, StoreResult};
use merchant_otp_storage_sql::rows::{
    AccessTokenRow, DeviceToInsert, NewOtpDeviceRow, OtpDeviceRow, TokenKey, conflicting_device,
};
use merchant_otp_storage_sql::schema::{access_tokens, instances, otp_devices};
use merchant_otp_storage_sql::{Deduplicated, Failure};

use crate::executor::failed;
use crate::serials::append_events;

/// The results of the requests of a batch, in their order, or the failure of the whole batch.
pub(crate) type EachResult<A> = Result<Vec<StoreResult<A>>, Failure>;

/// Stores the devices that do not exist, with their events.
///
/// If several devices have the same id, the first one is stored and the others conflict with it.
pub(crate) fn insert_devices(
    connection: &mut SqliteConnection,
    devices: &[DeviceToInsert],
) -> EachResult<OtpDeviceInsertion> {
    connection.immediate_transaction(|connection| {
        let results = each(devices, |device| {
            let inserted = diesel::insert_into(otp_devices::table)
                .values(NewOtpDeviceRow::from(device))
                .on_conflict_do_nothing()
                .execute(connection);
            match inserted {
                Ok(0) => conflicting_device(find(connection, &device.instance, &device.device.id)?),
                Ok(_) => Ok(OtpDeviceInsertion::Stored),
                // Only the statement fails; the transaction can go on.
                Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                    Ok(OtpDeviceInsertion::NoSuchInstance)
                }
                Err(error) => Err(Failure::Write(error)),
            }
        })?;
        let stored = devices.iter().zip(&results);
        let stored = stored.filter(|(_, it)| matches!(it, Ok(OtpDeviceInsertion::Stored)));
        let events: Vec<_> = stored.map(|(device, _)| &device.event).collect();
        append_events(connection, &events)?;
        Ok(results)
    })
}

/// Finds devices. Equal requests are looked up once.
pub(crate) fn find_devices(
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
    // Not with `first`: SQLite prepares a statement with a bound LIMIT at each execution.
    let row = otp_devices::table
        .find((instance.as_str(), id.as_str()))
        .select(OtpDeviceRow::as_select())
        .get_result(connection)
        .optional()
        .map_err(Failure::Read)?;
    row.map(OtpDeviceRow::into_device).transpose().map_err(Failure::Corrupt)
}

/// Finds access tokens. Equal requests are looked up once.
pub(crate) fn find_tokens(
    connection: &mut SqliteConnection,
    requests: &[TokenKey],
) -> EachResult<AccessTokenLookup> {
    let requests = Deduplicated::new(requests);
    let find = |connection: &mut SqliteConnection, (instance, digest): &TokenKey| {
        let of_instance = access_tokens::instance_id
            .eq(instances::id)
            .and(access_tokens::digest.eq(digest.as_slice()));
        let found = instances::table
            .left_join(access_tokens::table.on(of_instance))
            .filter(instances::id.eq(instance.as_str()))
            .select((instances::deleted, Option::<AccessTokenRow>::as_select()))
            .get_result::<(bool, Option<AccessTokenRow>)>(connection)
            .optional()
            .map_err(Failure::Read)?;
        AccessTokenRow::into_lookup(found).map_err(Failure::Corrupt)
    };
    let found = reading(connection, |connection| {
        each(&requests.distinct, |request| find(connection, request))
    })?;
    Ok(requests.fan_out(&found))
}

/// Executes requests one after the other. A failed read or write fails the batch; a corrupt row or
/// a conflict fails only its request.
fn each<R, A>(requests: &[R], mut execute: impl FnMut(&R) -> Result<A, Failure>) -> EachResult<A> {
    let result = |request| match execute(request) {
        Err(failure @ (Failure::Read(_) | Failure::Write(_))) => Err(failure),
        result => Ok(result.map_err(failed)),
    };
    requests.iter().map(result).collect()
}

/// Executes several reads in one transaction, because locking the file costs as much as a read.
fn reading<T>(
    connection: &mut SqliteConnection,
    read: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.transaction(read).map_err(|failure| match failure {
        // A failure of the transaction itself: nothing was written.
        Failure::Write(error) => Failure::Read(error),
        failure => failure,
    })
}
