use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sqlite::SqliteConnection;
use merchant_otp_domain::{AccessTokenDigest, InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion};
use merchant_otp_storage_diesel::Failure;
use merchant_otp_storage_diesel::audit_rows::NewAuditEventRow;
use merchant_otp_storage_diesel::batches::{Batched, Batches, DeviceToInsert};
use merchant_otp_storage_diesel::rows::{AccessTokenRow, NewOtpDeviceRow, OtpDeviceRow};
use merchant_otp_storage_diesel::schema::{access_tokens, audit_events, instances, otp_devices};
use merchant_otp_storage_diesel::units_of_work::device_in_the_way;

use crate::connector::SqliteFile;

/// A statement costs little here, and a transaction much: one after the other, in one transaction.
///
/// The lookups do without `first`: SQLite prepares a statement with a bound `LIMIT` again each time that it is run.
impl Batches for SqliteFile {
    fn insert_otp_devices(&mut self, devices: &[DeviceToInsert]) -> Batched<OtpDeviceInsertion> {
        self.connection.immediate_transaction(|connection| {
            devices.iter().map(|device| of_one(insert(connection, device))).collect()
        })
    }

    fn find_otp_devices(
        &mut self,
        places: &[(InstanceId, OtpDeviceId)],
    ) -> Batched<Option<SealedOtpDevice>> {
        reading(&mut self.connection, |connection| {
            places.iter().map(|(instance, id)| of_one(find(connection, instance, id))).collect()
        })
    }

    fn find_access_tokens(
        &mut self,
        tokens: &[(InstanceId, AccessTokenDigest)],
    ) -> Batched<AccessTokenLookup> {
        reading(&mut self.connection, |connection| {
            tokens
                .iter()
                .map(|(instance, digest)| of_one(find_token(connection, instance, digest)))
                .collect()
        })
    }
}

/// What is wrong with one row, apart from what is wrong with the database.
fn of_one<T>(result: Result<T, Failure>) -> Result<Result<T, Failure>, Failure> {
    match result {
        Err(failure @ (Failure::Read(_) | Failure::Write(_))) => Err(failure),
        result => Ok(result),
    }
}

fn insert(
    connection: &mut SqliteConnection,
    DeviceToInsert { instance, device, event }: &DeviceToInsert,
) -> Result<OtpDeviceInsertion, Failure> {
    let inserted = diesel::insert_into(otp_devices::table)
        .values(NewOtpDeviceRow::new(instance.as_str(), device))
        .on_conflict_do_nothing()
        .execute(connection);
    match inserted {
        Ok(0) => {
            let existing = find(connection, instance, &device.id)?;
            device_in_the_way(existing).map(OtpDeviceInsertion::Exists)
        }
        Ok(_) => {
            diesel::insert_into(audit_events::table)
                .values(NewAuditEventRow::from(event))
                .execute(connection)?;
            Ok(OtpDeviceInsertion::Stored)
        }
        // The statement fails, and not the transaction.
        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
            Ok(OtpDeviceInsertion::NoSuchInstance)
        }
        Err(error) => Err(Failure::Write(error)),
    }
}

fn find(
    connection: &mut SqliteConnection,
    instance: &InstanceId,
    id: &OtpDeviceId,
) -> Result<Option<SealedOtpDevice>, Failure> {
    otp_devices::table
        .find((instance.as_str(), id.as_str()))
        .select(OtpDeviceRow::as_select())
        .get_result(connection)
        .optional()
        .map_err(Failure::Read)?
        .map(OtpDeviceRow::into_device)
        .transpose()
}

fn find_token(
    connection: &mut SqliteConnection,
    instance: &InstanceId,
    digest: &AccessTokenDigest,
) -> Result<AccessTokenLookup, Failure> {
    let of_instance = access_tokens::instance_id
        .eq(instances::id)
        .and(access_tokens::digest.eq(digest.as_bytes().as_slice()));
    let found = instances::table
        .left_join(access_tokens::table.on(of_instance))
        .filter(instances::id.eq(instance.as_str()))
        .select((instances::deleted, Option::<AccessTokenRow>::as_select()))
        .get_result::<(bool, Option<AccessTokenRow>)>(connection)
        .optional()
        .map_err(Failure::Read)?;
    AccessTokenRow::into_lookup(found)
}

/// Does several reads in one transaction: taking and leaving the lock of the file costs as much as a read.
fn reading<T>(
    connection: &mut SqliteConnection,
    read: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.transaction(read).map_err(|failure| match failure {
        // Nothing was written.
        Failure::Write(error) => Failure::Read(error),
        failure => failure,
    })
}
