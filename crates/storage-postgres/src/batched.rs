//! The execution of batches: one statement for all requests of a batch.
//!
//! On PostgreSQL a round trip is expensive and a row is cheap.

use std::collections::{BTreeMap, HashMap};
use std::ptr;
use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use merchant_otp_domain::{InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, Cause, OtpDeviceInsertion, StoreError, StoreResult};
use merchant_otp_storage_sql::rows::{
    AccessTokenRow, DeviceToInsert, OtpDeviceRow, TokenKey, conflicting_device,
};
use merchant_otp_storage_sql::{Acquire, BatchResults, Deduplicated, Failure};

use crate::executor::{Executor, corrupt, failed};
use crate::statements::{
    FindAccessToken, FindAccessTokens, FindOtpDevice, FindOtpDevices, InsertOtpDevice,
    InsertOtpDevices,
};

/// The key of a device: its instance and its id.
pub(crate) type DeviceKey = (InstanceId, OtpDeviceId);

/// Stores the devices that do not exist, with their events, in one transaction. Then looks up, on
/// another connection, the existing devices that the others conflict with.
///
/// If several devices have the same id, the first one is stored and the others conflict with it.
pub(crate) async fn insert_devices(
    writer: Executor,
    connection: Object<AsyncPgConnection>,
    reader: Executor,
    devices: Arc<[DeviceToInsert]>,
) -> BatchResults<OtpDeviceInsertion> {
    let first_by_key = first_by_key(&devices);
    let rows: Vec<_> = first_by_key.values().copied().map(InsertOtpDevice::from).collect();
    let conflicts = writer
        .run_on(connection, Failure::Write, async |connection| {
            let conflicts: Result<Vec<(String, String)>, _> = match rows.as_slice() {
                [alone] => alone.execute(connection).await.map(|stored| match stored {
                    0 => vec![(alone.instance_id.into(), alone.device_id.into())],
                    _ => Vec::new(),
                }),
                rows => InsertOtpDevices::of(rows).load(connection).await,
            };
            match conflicts {
                // Only for a single request: in a larger batch the error fails the batch, and its
                // requests are then executed one by one.
                Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _))
                    if rows.len() == 1 =>
                {
                    Ok(None)
                }
                conflicts => Ok(Some(conflicts?)),
            }
        })
        .await?;
    let Some(conflicts) = conflicts else {
        return Ok(devices.iter().map(|_| Ok(OtpDeviceInsertion::NoSuchInstance)).collect());
    };
    let conflicts: Vec<DeviceKey> = conflicts
        .iter()
        .filter_map(|(instance, id)| first_by_key.get(&(&**instance, &**id)))
        .map(|first| (first.instance.clone(), first.device.id.clone()))
        .collect();
    let existing = existing_devices(reader, &conflicts).await;
    let result = |request| {
        let key = key(request);
        match (existing.get(&key), first_by_key.get(&key)) {
            (Some(existing), _) => existing.clone(),
            (None, Some(first)) if !ptr::eq(*first, request) => {
                Ok(OtpDeviceInsertion::Exists(first.device.clone()))
            }
            (None, _) => Ok(OtpDeviceInsertion::Stored),
        }
    };
    Ok(devices.iter().map(result).collect())
}

/// Returns the first request of each key.
///
/// The requests are ordered by key, so that concurrent writers of the same keys do not deadlock.
fn first_by_key(devices: &[DeviceToInsert]) -> BTreeMap<(&str, &str), &DeviceToInsert> {
    let mut first_by_key = BTreeMap::new();
    for device in devices {
        first_by_key.entry(key(device)).or_insert(device);
    }
    first_by_key
}

fn key(device: &DeviceToInsert) -> (&str, &str) {
    (device.instance.as_str(), device.device.id.as_str())
}

/// Looks up the existing devices that requests conflict with; returns the results by key.
async fn existing_devices(
    reader: Executor,
    conflicts: &[DeviceKey],
) -> HashMap<(&str, &str), StoreResult<OtpDeviceInsertion>> {
    if conflicts.is_empty() {
        return HashMap::new();
    }
    let found = async { find_devices(&reader, reader.acquire().await?, conflicts).await };
    let results: Vec<_> = match found.await {
        Ok(found) => found
            .into_iter()
            .map(|found| found.and_then(|found| conflicting_device(found).map_err(failed)))
            .collect(),
        // The stored devices of the batch are committed; only these requests must be retried.
        Err(error) => {
            let error = StoreError::Contention(error.into());
            conflicts.iter().map(|_| Err(error.clone())).collect()
        }
    };
    let keys = conflicts.iter().map(|(instance, id)| (instance.as_str(), id.as_str()));
    keys.zip(results).collect()
}

/// Finds devices. Equal requests are looked up once.
pub(crate) async fn look_up_devices(
    reader: Executor,
    connection: Object<AsyncPgConnection>,
    requests: Arc<[DeviceKey]>,
) -> BatchResults<Option<SealedOtpDevice>> {
    let requests = Deduplicated::new(&requests);
    let found = find_devices(&reader, connection, &requests.distinct).await?;
    Ok(requests.fan_out(&found))
}

async fn find_devices(
    reader: &Executor,
    connection: Object<AsyncPgConnection>,
    keys: &[DeviceKey],
) -> BatchResults<Option<SealedOtpDevice>> {
    let rows = reader.run_on(connection, Failure::Read, async |connection| {
        let rows = match keys {
            [(instance, device)] => {
                let query = FindOtpDevice { instance: instance.as_str(), device: device.as_str() };
                query.load(connection).await
            }
            keys => {
                let query = FindOtpDevices {
                    instances: keys.iter().map(|(instance, _)| instance.as_str()).collect(),
                    devices: keys.iter().map(|(_, device)| device.as_str()).collect(),
                };
                query.load(connection).await
            }
        };
        rows.map_err(Failure::Read)
    });
    let rows: Vec<(i64, OtpDeviceRow)> = rows.await?;
    let found = rows.into_iter().map(|(number, row)| (number, row.into_device().map(Some)));
    Ok(by_request(found, keys.len(), None))
}

/// Finds access tokens. Equal requests are looked up once.
pub(crate) async fn look_up_tokens(
    reader: Executor,
    connection: Object<AsyncPgConnection>,
    requests: Arc<[TokenKey]>,
) -> BatchResults<AccessTokenLookup> {
    let requests = Deduplicated::new(&requests);
    let keys = &*requests.distinct;
    let rows = reader.run_on(connection, Failure::Read, async |connection| {
        let rows = match keys {
            [(instance, digest)] => {
                let query = FindAccessToken { digest, instance: instance.as_str() };
                query.load(connection).await
            }
            keys => {
                let query = FindAccessTokens {
                    instances: keys.iter().map(|(instance, _)| instance.as_str()).collect(),
                    digests: keys.iter().map(|(_, digest)| digest.as_slice()).collect(),
                };
                query.load(connection).await
            }
        };
        rows.map_err(Failure::Read)
    });
    let rows: Vec<(i64, bool, Option<AccessTokenRow>)> = rows.await?;
    let found = rows
        .into_iter()
        .map(|(number, deleted, row)| (number, AccessTokenRow::into_lookup(Some((deleted, row)))));
    let found = by_request(found, keys.len(), AccessTokenLookup::NoSuchInstance);
    Ok(requests.fan_out(&found))
}

/// Returns the results of requests in their order, given rows with the numbers of their requests,
/// from 1. A request without a row gets `none`.
fn by_request<A: Clone>(
    rows: impl Iterator<Item = (i64, Result<A, Cause>)>,
    requests: usize,
    none: A,
) -> Vec<StoreResult<A>> {
    let mut rows: HashMap<_, _> = rows.collect();
    let row = |number| rows.remove(&number).unwrap_or_else(|| Ok(none.clone())).map_err(corrupt);
    (1..).take(requests).map(row).collect()
}
