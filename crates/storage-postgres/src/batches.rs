use std::collections::{BTreeMap, HashMap};

use diesel::prelude::QueryResult;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use merchant_otp_domain::{AccessTokenDigest, InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion, StoreError};
use merchant_otp_storage_diesel::batches::{Batched, DeviceToInsert};
use merchant_otp_storage_diesel::rows::{AccessTokenRow, OtpDeviceRow};
use merchant_otp_storage_diesel::units_of_work::device_in_the_way;
use merchant_otp_storage_diesel::{
    Batch, Failure, Lane, Lanes, Place, distinct_devices, distinct_tokens, store_error,
};

use crate::connector::PostgresConnector;
use crate::lane_session::LaneSession;
use crate::statements::{
    FindAccessToken, FindAccessTokens, FindOtpDevice, FindOtpDevices, InsertOtpDevice,
    InsertOtpDevices,
};

/// What is set where something is looked up: by its key, row for row. A plan is kept, and one that was good
/// while the table was small would read all of it for each batch.
const LOOKUPS: &str =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// The lanes of a database: so many sessions that look up, and so many that write.
///
/// A round trip costs much here, and a row little: one statement for all, over arrays of their values.
pub(crate) fn lanes(connector: &PostgresConnector, readers: u16, writers: u16) -> Lanes {
    let session = |settings| LaneSession::new(connector.clone(), settings);
    let readers: Vec<_> = (0..readers).map(|_| session(Some(LOOKUPS))).collect();
    let writers = (0..writers).map(|_| session(None));
    Lanes {
        insertions: Lane::new("insert", Place::Caller, writers.map(insertions)),
        devices: Lane::new("find-device", Place::Caller, readers.iter().cloned().map(devices)),
        tokens: Lane::new("find-token", Place::Caller, readers.iter().cloned().map(tokens)),
    }
}

fn insertions(session: LaneSession) -> Batch<DeviceToInsert, OtpDeviceInsertion> {
    Box::new(move |devices| {
        let session = session.clone();
        Box::pin(async move {
            let done = session.run(
                &devices,
                |connection, devices| insert_otp_devices(connection, devices).boxed(),
                Failure::Write,
            );
            done.await.map(answers)
        })
    })
}

fn devices(session: LaneSession) -> Batch<(InstanceId, OtpDeviceId), Option<SealedOtpDevice>> {
    Box::new(move |places| {
        let session = session.clone();
        Box::pin(async move {
            let distinct = distinct_devices(&places);
            let found = session.run(
                &distinct.requests,
                |connection, places| find_otp_devices(connection, places).boxed(),
                Failure::Read,
            );
            Ok(answers(distinct.spread(&found.await?)))
        })
    })
}

fn tokens(session: LaneSession) -> Batch<(InstanceId, AccessTokenDigest), AccessTokenLookup> {
    Box::new(move |tokens| {
        let session = session.clone();
        Box::pin(async move {
            let distinct = distinct_tokens(&tokens);
            let found = session.run(
                &distinct.requests,
                |connection, tokens| find_access_tokens(connection, tokens).boxed(),
                Failure::Read,
            );
            Ok(answers(distinct.spread(&found.await?)))
        })
    })
}

fn answers<A>(answers: Vec<Result<A, Failure>>) -> Vec<Result<A, StoreError>> {
    let answer = |answer: Result<A, Failure>| answer.map_err(store_error::<PostgresConnector>);
    answers.into_iter().map(answer).collect()
}

/// Stores devices that are not there, and their events, in one transaction.
///
/// Of several with the same id the first one is stored, and the others meet it.
async fn insert_otp_devices(
    connection: &mut AsyncPgConnection,
    devices: &[DeviceToInsert],
) -> Batched<OtpDeviceInsertion> {
    // In the order of their keys: two writers of the same ones do not wait for each other in a circle.
    let mut firsts = BTreeMap::new();
    for device in devices {
        firsts.entry(key(device)).or_insert(device);
    }
    // Those that met others: most often none.
    let met = match insert_new(connection, firsts.values().copied()).await {
        Ok(met) => met,
        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _))
            if devices.len() == 1 =>
        {
            return Ok(vec![Ok(OtpDeviceInsertion::NoSuchInstance)]);
        }
        Err(error) => return Err(Failure::Write(error)),
    };
    let others: Vec<_> =
        met.iter().filter_map(|(instance, id)| firsts.get(&(&**instance, &**id))).collect();
    let places: Vec<_> =
        others.iter().map(|one| (one.instance.clone(), one.device.id.clone())).collect();
    let mut found = HashMap::new();
    if !places.is_empty() {
        // Those that are stored are committed, whatever comes of this.
        let existing = find_otp_devices(connection, &places).await.unwrap_or_else(|failure| {
            let cause = failure.to_string();
            places.iter().map(|_| Err(Failure::Contention(cause.clone().into()))).collect()
        });
        found.extend(others.into_iter().map(|device| key(device)).zip(existing));
    }
    let answer = |device| {
        let key = key(device);
        match (found.get(&key), firsts.get(&key)) {
            (Some(Ok(existing)), _) => {
                device_in_the_way(existing.clone()).map(OtpDeviceInsertion::Exists)
            }
            (Some(Err(Failure::Contention(cause))), _) => {
                Err(Failure::Contention(cause.to_string().into()))
            }
            (Some(Err(failure)), _) => Err(Failure::Corrupt(failure.to_string().into())),
            (None, Some(first)) if !std::ptr::eq(*first, device) => {
                Ok(OtpDeviceInsertion::Exists(first.device.clone()))
            }
            (None, _) => Ok(OtpDeviceInsertion::Stored),
        }
    };
    Ok(devices.iter().map(answer).collect())
}

/// Stores devices that are not there; answers with the instances and ids of those that are.
async fn insert_new(
    connection: &mut AsyncPgConnection,
    devices: impl Iterator<Item = &DeviceToInsert>,
) -> QueryResult<Vec<(String, String)>> {
    let rows: Vec<_> = devices.map(InsertOtpDevice::from).collect();
    match rows.as_slice() {
        [alone] => Ok(match alone.execute(connection).await? {
            0 => vec![(alone.instance.to_owned(), alone.device.to_owned())],
            _ => Vec::new(),
        }),
        rows => InsertOtpDevices::of(rows).load(connection).await,
    }
}

/// The devices of instances and ids.
async fn find_otp_devices(
    connection: &mut AsyncPgConnection,
    places: &[(InstanceId, OtpDeviceId)],
) -> Batched<Option<SealedOtpDevice>> {
    let rows = match places {
        [(instance, device)] => {
            let query = FindOtpDevice { instance: instance.as_str(), device: device.as_str() };
            query.load(connection).await
        }
        places => {
            let query = FindOtpDevices {
                instances: places.iter().map(|(instance, _)| instance.as_str()).collect(),
                devices: places.iter().map(|(_, device)| device.as_str()).collect(),
            };
            query.load(connection).await
        }
    };
    let rows: Vec<(i64, OtpDeviceRow)> = rows.map_err(Failure::Read)?;
    let mut found: Vec<_> = places.iter().map(|_| Ok(None)).collect();
    for (number, row) in rows {
        *place(&mut found, number)? = row.into_device().map(Some);
    }
    Ok(found)
}

/// The access tokens of instances and digests.
async fn find_access_tokens(
    connection: &mut AsyncPgConnection,
    tokens: &[(InstanceId, AccessTokenDigest)],
) -> Batched<AccessTokenLookup> {
    let rows = match tokens {
        [(instance, digest)] => {
            let query = FindAccessToken { digest: digest.as_bytes(), instance: instance.as_str() };
            query.load(connection).await
        }
        tokens => {
            let query = FindAccessTokens {
                instances: tokens.iter().map(|(instance, _)| instance.as_str()).collect(),
                digests: tokens.iter().map(|(_, digest)| digest.as_bytes().as_slice()).collect(),
            };
            query.load(connection).await
        }
    };
    let rows: Vec<(i64, bool, Option<AccessTokenRow>)> = rows.map_err(Failure::Read)?;
    let mut found: Vec<_> = tokens.iter().map(|_| Ok(AccessTokenLookup::NoSuchInstance)).collect();
    for (number, deleted, row) in rows {
        *place(&mut found, number)? = AccessTokenRow::into_lookup(Some((deleted, row)));
    }
    Ok(found)
}

fn key(device: &DeviceToInsert) -> (&str, &str) {
    (device.instance.as_str(), device.device.id.as_str())
}

/// The place of the answer to the request of a number, which begin with 1.
fn place<T>(answers: &mut [T], number: i64) -> Result<&mut T, Failure> {
    let position = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    position
        .and_then(|position| answers.get_mut(position))
        .ok_or_else(|| Failure::Corrupt("an answer to no request".into()))
}
