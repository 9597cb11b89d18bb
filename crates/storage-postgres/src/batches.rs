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

/// What is set where something is looked up by its key: no table is read as a whole (`statements`).
const LOOKUP_SETTINGS: &str = "SET enable_seqscan = off";

/// An instance, and the id of a device.
type DevicePlace = (InstanceId, OtpDeviceId);

/// The lanes of a database: so many sessions that look up, and so many that write.
///
/// A round trip costs much here, and a row little: one statement for all that is asked for at once.
pub(crate) fn lanes(connector: &PostgresConnector, readers: u16, writers: u16) -> Lanes {
    let session = |settings| LaneSession::new(connector.clone(), settings);
    let readers: Vec<_> = (0..readers).map(|_| session(LOOKUP_SETTINGS)).collect();
    let writers = readers.iter().cycle().take(writers.into());
    let writers = writers.map(|reader| insertions(session(""), reader.clone()));
    Lanes {
        insertions: Lane::new("insert", Place::Caller, writers),
        devices: Lane::new("find-device", Place::Caller, readers.iter().cloned().map(devices)),
        tokens: Lane::new("find-token", Place::Caller, readers.iter().cloned().map(tokens)),
    }
}

/// Stores devices in a session, and looks up in another one those that were there.
fn insertions(
    writer: LaneSession,
    reader: LaneSession,
) -> Batch<DeviceToInsert, OtpDeviceInsertion> {
    Box::new(move |devices| {
        let (writer, reader) = (writer.clone(), reader.clone());
        Box::pin(async move {
            let met = writer.run(
                &devices,
                |connection, devices| insert_otp_devices(connection, devices).boxed(),
                Failure::Write,
            );
            let Some(met) = met.await? else {
                return Ok(devices
                    .iter()
                    .map(|_| Ok(OtpDeviceInsertion::NoSuchInstance))
                    .collect());
            };
            let mut existing = Vec::new();
            if !met.is_empty() {
                let found = reader.run(
                    &met,
                    |connection, places| find_otp_devices(connection, places).boxed(),
                    Failure::Read,
                );
                // Those that are stored are committed, whatever comes of this.
                existing = found.await.unwrap_or_else(|error| {
                    met.iter().map(|_| Err(Failure::Contention(error.to_string().into()))).collect()
                });
            }
            Ok(answers(what_came_of(&devices, &met, existing)))
        })
    })
}

fn devices(session: LaneSession) -> Batch<DevicePlace, Option<SealedOtpDevice>> {
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

/// Stores devices that are not there, and their events, in one transaction; answers with the places of the
/// others, or `None` if there is one device only, and not its instance.
///
/// Of several with the same id the first one is stored.
async fn insert_otp_devices(
    connection: &mut AsyncPgConnection,
    devices: &[DeviceToInsert],
) -> Result<Option<Vec<DevicePlace>>, Failure> {
    let firsts = firsts(devices);
    let rows: Vec<_> = firsts.values().copied().map(InsertOtpDevice::from).collect();
    let met: QueryResult<Vec<(String, String)>> = match rows.as_slice() {
        [alone] => alone.execute(connection).await.map(|events| match events {
            0 => vec![(alone.device.instance_id.to_owned(), alone.device.device_id.to_owned())],
            _ => Vec::new(),
        }),
        rows => InsertOtpDevices::of(rows).load(connection).await,
    };
    match met {
        Ok(met) => {
            let met = met.iter().filter_map(|(instance, id)| firsts.get(&(&**instance, &**id)));
            Ok(Some(met.map(|one| (one.instance.clone(), one.device.id.clone())).collect()))
        }
        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) if rows.len() == 1 => {
            Ok(None)
        }
        Err(error) => Err(Failure::Write(error)),
    }
}

/// The first device of each key.
///
/// In the order of their keys: two writers of the same ones do not wait for each other in a circle.
fn firsts(devices: &[DeviceToInsert]) -> BTreeMap<(&str, &str), &DeviceToInsert> {
    let mut firsts = BTreeMap::new();
    for device in devices {
        firsts.entry(key(device)).or_insert(device);
    }
    firsts
}

/// What is answered about each device: of those that met others, what is there.
fn what_came_of(
    devices: &[DeviceToInsert],
    met: &[DevicePlace],
    existing: Vec<Result<Option<SealedOtpDevice>, Failure>>,
) -> Vec<Result<OtpDeviceInsertion, Failure>> {
    let met = met.iter().map(|(instance, id)| (instance.as_str(), id.as_str()));
    let (firsts, found) = (firsts(devices), met.zip(existing).collect::<HashMap<_, _>>());
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
    devices.iter().map(answer).collect()
}

/// The devices of instances and ids.
async fn find_otp_devices(
    connection: &mut AsyncPgConnection,
    places: &[DevicePlace],
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
