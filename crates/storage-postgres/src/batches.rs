use std::collections::{BTreeMap, HashMap};

use diesel::pg::Pg;
use diesel::prelude::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, SmallInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use merchant_otp_domain::{AccessTokenDigest, InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion, StoreError};
use merchant_otp_storage_diesel::audit_rows::NewAuditEventRow;
use merchant_otp_storage_diesel::batches::{Batched, DeviceToInsert};
use merchant_otp_storage_diesel::rows::{AccessTokenRow, OtpDeviceRow};
use merchant_otp_storage_diesel::units_of_work::device_in_the_way;
use merchant_otp_storage_diesel::{
    Batch, Failure, Lane, Lanes, Place, distinct_devices, distinct_tokens, store_error,
};

use crate::connector::PostgresConnector;
use crate::lane_session::LaneSession;

/// The lanes of a database: so many sessions that look up, and so many that write.
///
/// A round trip costs much here, and a row little: one statement for all, over arrays of their values.
pub(crate) fn lanes(connector: &PostgresConnector, readers: u16, writers: u16) -> Lanes {
    let session = |_| LaneSession::new(connector.clone());
    let readers: Vec<_> = (0..readers).map(session).collect();
    let writers = (0..writers).map(session);
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
    let met =
        InsertOtpDevices::of(firsts.values().copied()).load::<(String, String)>(connection).await;
    let met: Vec<_> = match met {
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

/// The devices of instances and ids.
async fn find_otp_devices(
    connection: &mut AsyncPgConnection,
    places: &[(InstanceId, OtpDeviceId)],
) -> Batched<Option<SealedOtpDevice>> {
    let query = FindOtpDevices {
        instances: places.iter().map(|(instance, _)| instance.as_str()).collect(),
        devices: places.iter().map(|(_, device)| device.as_str()).collect(),
    };
    let rows: Vec<(i64, OtpDeviceRow)> = query.load(connection).await.map_err(Failure::Read)?;
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
    let query = FindAccessTokens {
        instances: tokens.iter().map(|(instance, _)| instance.as_str()).collect(),
        digests: tokens.iter().map(|(_, digest)| digest.as_bytes().as_slice()).collect(),
    };
    let rows: Vec<(i64, bool, Option<AccessTokenRow>)> =
        query.load(connection).await.map_err(Failure::Read)?;
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

/// Makes a statement of SQL that diesel prepares once for each connection: its text never changes.
macro_rules! statement {
    ($name:ident($($field:ident: $type:ty),+ $(,)?) -> $answer:ty, $sql:expr) => {
        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl Query for $name<'_> {
            type SqlType = $answer;
        }

        impl QueryFragment<Pg> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql($sql[0]);
                let mut sql = $sql.iter().skip(1);
                $(
                    out.push_bind_param::<Array<$type>, _>(&self.$field)?;
                    out.push_sql(sql.next().copied().unwrap_or_default());
                )+
                Ok(())
            }
        }
    };
}

struct FindOtpDevices<'a> {
    instances: Vec<&'a str>,
    devices: Vec<&'a str>,
}

statement!(
    FindOtpDevices(instances: Text, devices: Text)
        -> (BigInt, (Text, Text, Binary, SmallInt, BigInt)),
    [
        "SELECT asked.number, found.device_id, found.description, found.sealed_key, \
                found.algorithm, found.counter \
         FROM unnest(",
        ", ",
        ") WITH ORDINALITY AS asked (instance_id, device_id, number) \
         JOIN otp_devices AS found USING (instance_id, device_id)"
    ]
);

struct FindAccessTokens<'a> {
    instances: Vec<&'a str>,
    digests: Vec<&'a [u8]>,
}

statement!(
    FindAccessTokens(instances: Text, digests: Binary)
        -> (BigInt, Bool, Nullable<(BigInt, Text, BigInt, Nullable<BigInt>, Text)>),
    [
        "SELECT asked.number, instances.deleted, found.serial, found.scope, found.created_at, \
                found.expires_at, found.description \
         FROM unnest(",
        ", ",
        ") WITH ORDINALITY AS asked (instance_id, digest, number) \
         JOIN instances ON instances.id = asked.instance_id \
         LEFT JOIN access_tokens AS found \
            ON found.instance_id = asked.instance_id AND found.digest = asked.digest"
    ]
);

/// The columns of devices and of their events, row for row.
#[derive(Default)]
struct InsertOtpDevices<'a> {
    instances: Vec<&'a str>,
    devices: Vec<&'a str>,
    descriptions: Vec<&'a str>,
    keys: Vec<&'a [u8]>,
    algorithms: Vec<i16>,
    counters: Vec<i64>,
    times: Vec<i64>,
    actors: Vec<&'static str>,
    actor_serials: Vec<Option<i64>>,
    actor_scopes: Vec<Option<String>>,
    addresses: Vec<Option<String>>,
    operations: Vec<&'static str>,
    event_instances: Vec<String>,
    event_devices: Vec<Option<String>>,
    outcomes: Vec<&'static str>,
    unrecorded: Vec<i64>,
}

statement!(
    InsertOtpDevices(
        instances: Text,
        devices: Text,
        descriptions: Text,
        keys: Binary,
        algorithms: SmallInt,
        counters: BigInt,
        times: BigInt,
        actors: Text,
        actor_serials: Nullable<BigInt>,
        actor_scopes: Nullable<Text>,
        addresses: Nullable<Text>,
        operations: Text,
        event_instances: Text,
        event_devices: Nullable<Text>,
        outcomes: Text,
        unrecorded: BigInt,
    ) -> (Text, Text),
    [
        "WITH asked AS MATERIALIZED (SELECT * FROM unnest(",
        ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ",
        ") AS asked (instance_id, device_id, description, sealed_key, algorithm, counter, \
            happened_at, actor, actor_serial, actor_scope, address, operation, event_instance_id, \
            event_device_id, outcome, unrecorded)), \
         stored AS (\
            INSERT INTO otp_devices \
                (instance_id, device_id, description, sealed_key, algorithm, counter) \
            SELECT instance_id, device_id, description, sealed_key, algorithm, counter FROM asked \
            ON CONFLICT DO NOTHING RETURNING instance_id, device_id), \
         told AS (\
            INSERT INTO audit_events \
                (happened_at, instance_id, actor, actor_serial, actor_scope, address, operation, \
                 device_id, outcome, unrecorded) \
            SELECT happened_at, event_instance_id, actor, actor_serial, actor_scope, address, \
                operation, event_device_id, outcome, unrecorded \
            FROM asked JOIN stored USING (instance_id, device_id)) \
         SELECT instance_id, device_id FROM asked \
         WHERE (instance_id, device_id) NOT IN (SELECT instance_id, device_id FROM stored)"
    ]
);

impl<'a> InsertOtpDevices<'a> {
    fn of(rows: impl Iterator<Item = &'a DeviceToInsert>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let (device, event) = (&row.device, NewAuditEventRow::from(&row.event));
            columns.instances.push(row.instance.as_str());
            columns.devices.push(device.id.as_str());
            columns.descriptions.push(device.description.as_str());
            columns.keys.push(device.key.as_bytes());
            columns.algorithms.push(device.algorithm.number().into());
            columns.counters.push(device.counter.value());
            columns.times.push(event.happened_at);
            columns.actors.push(event.actor);
            columns.actor_serials.push(event.actor_serial);
            columns.actor_scopes.push(event.actor_scope);
            columns.addresses.push(event.address);
            columns.operations.push(event.operation);
            columns.event_instances.push(event.instance_id);
            columns.event_devices.push(event.device_id);
            columns.outcomes.push(event.outcome);
            columns.unrecorded.push(event.unrecorded);
        }
        columns
    }
}
