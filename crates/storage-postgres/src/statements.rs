//! The statements of the lanes, each for one request and for many.
//!
//! What takes arrays costs the database more than what takes values: a request that is alone does not pay for it.
//!
//! A plan is kept until the next `ANALYZE`, and most are made while a table is small. `OFFSET 0` keeps PostgreSQL from
//! joining in another order than that of what is asked, and `LOOKUP_SETTINGS` from reading a table as a whole, so
//! that the one plan that is left is good when the table has grown.

use diesel::pg::Pg;
use diesel::prelude::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, SmallInt, Text};
use merchant_otp_storage_diesel::audit_rows::NewAuditEventRow;
use merchant_otp_storage_diesel::batches::DeviceToInsert;
use merchant_otp_storage_diesel::rows::NewOtpDeviceRow;

/// Makes a statement of SQL that diesel prepares once for each connection: its text never changes.
///
/// The values come between the parts of the text.
macro_rules! statement {
    ($name:ident($($($field:ident).+: $type:ty),+ $(,)?) $(-> $answer:ty)?, $sql:expr) => {
        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        $(impl Query for $name<'_> {
            type SqlType = $answer;
        })?

        impl QueryFragment<Pg> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                const SQL: [&str; [$(stringify!($($field).+)),+].len() + 1] = $sql;
                let mut sql = SQL.into_iter();
                out.push_sql(sql.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$type, _>(&self.$($field).+)?;
                    out.push_sql(sql.next().unwrap_or_default());
                )+
                Ok(())
            }
        }
    };
}

/// The device of an instance and an id, as number 1.
pub(crate) struct FindOtpDevice<'a> {
    pub(crate) instance: &'a str,
    pub(crate) device: &'a str,
}

statement!(
    FindOtpDevice(instance: Text, device: Text)
        -> (BigInt, (Text, Text, Binary, SmallInt, BigInt)),
    [
        "SELECT 1::bigint, device_id, description, sealed_key, algorithm, counter \
         FROM otp_devices WHERE instance_id = ",
        " AND device_id = ",
        "",
    ]
);

/// The devices of instances and ids, each with the number of what was asked, from 1.
pub(crate) struct FindOtpDevices<'a> {
    pub(crate) instances: Vec<&'a str>,
    pub(crate) devices: Vec<&'a str>,
}

statement!(
    FindOtpDevices(instances: Array<Text>, devices: Array<Text>)
        -> (BigInt, (Text, Text, Binary, SmallInt, BigInt)),
    [
        "SELECT asked.number, found.device_id, found.description, found.sealed_key, \
                found.algorithm, found.counter \
         FROM unnest(",
        ", ",
        ") WITH ORDINALITY AS asked (instance_id, device_id, number) \
         CROSS JOIN LATERAL (\
            SELECT device_id, description, sealed_key, algorithm, counter FROM otp_devices \
            WHERE instance_id = asked.instance_id AND device_id = asked.device_id OFFSET 0) AS found"
    ]
);

/// Whether an instance is deleted, and the access token of a digest in it, as number 1.
pub(crate) struct FindAccessToken<'a> {
    pub(crate) digest: &'a [u8],
    pub(crate) instance: &'a str,
}

statement!(
    FindAccessToken(digest: Binary, instance: Text)
        -> (BigInt, Bool, Nullable<(BigInt, Text, BigInt, Nullable<BigInt>, Text)>),
    [
        "SELECT 1::bigint, instances.deleted, found.serial, found.scope, found.created_at, \
                found.expires_at, found.description \
         FROM instances \
         LEFT JOIN (SELECT * FROM access_tokens WHERE digest = ",
        " OFFSET 0) AS found ON found.instance_id = instances.id \
         WHERE instances.id = ",
        "",
    ]
);

/// The same of many, each with the number of what was asked, from 1.
pub(crate) struct FindAccessTokens<'a> {
    pub(crate) instances: Vec<&'a str>,
    pub(crate) digests: Vec<&'a [u8]>,
}

statement!(
    FindAccessTokens(instances: Array<Text>, digests: Array<Binary>)
        -> (BigInt, Bool, Nullable<(BigInt, Text, BigInt, Nullable<BigInt>, Text)>),
    [
        "SELECT asked.number, instances.deleted, found.serial, found.scope, found.created_at, \
                found.expires_at, found.description \
         FROM unnest(",
        ", ",
        ") WITH ORDINALITY AS asked (instance_id, digest, number) \
         CROSS JOIN LATERAL (\
            SELECT deleted FROM instances WHERE id = asked.instance_id OFFSET 0) AS instances \
         LEFT JOIN LATERAL (\
            SELECT * FROM access_tokens WHERE digest = asked.digest OFFSET 0) AS found \
            ON found.instance_id = asked.instance_id"
    ]
);

/// Stores a device that is not there, and its event; changes as many rows as events were stored.
pub(crate) struct InsertOtpDevice<'a> {
    pub(crate) device: NewOtpDeviceRow<'a>,
    event: NewAuditEventRow<'a>,
}

impl<'a> From<&'a DeviceToInsert> for InsertOtpDevice<'a> {
    fn from(DeviceToInsert { instance, device, event }: &'a DeviceToInsert) -> Self {
        Self { device: NewOtpDeviceRow::new(instance.as_str(), device), event: event.into() }
    }
}

statement!(
    InsertOtpDevice(
        device.instance_id: Text,
        device.device_id: Text,
        device.description: Text,
        device.sealed_key: Binary,
        device.algorithm: SmallInt,
        device.counter: BigInt,
        event.happened_at: BigInt,
        event.instance_id: Text,
        event.actor: Text,
        event.actor_serial: Nullable<BigInt>,
        event.actor_scope: Nullable<Text>,
        event.address: Nullable<Text>,
        event.operation: Text,
        event.device_id: Nullable<Text>,
        event.outcome: Text,
        event.unrecorded: BigInt,
    ),
    [
        "WITH stored AS (\
            INSERT INTO otp_devices \
                (instance_id, device_id, description, sealed_key, algorithm, counter) \
            VALUES (",
        ", ", ", ", ", ", ", ", ", ",
        ") ON CONFLICT DO NOTHING RETURNING 1) \
         INSERT INTO audit_events \
            (happened_at, instance_id, actor, actor_serial, actor_scope, address, operation, \
             device_id, outcome, unrecorded) \
         SELECT ",
        ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ", ",
        " FROM stored"
    ]
);

/// Stores devices that are not there, and their events; answers with the instances and ids of the others.
///
/// The columns of devices and of their events, row for row.
pub(crate) struct InsertOtpDevices<'a> {
    instances: Vec<&'a str>,
    devices: Vec<&'a str>,
    descriptions: Vec<&'a str>,
    keys: Vec<&'a [u8]>,
    algorithms: Vec<i16>,
    counters: Vec<i64>,
    times: Vec<i64>,
    actors: Vec<&'a str>,
    actor_serials: Vec<Option<i64>>,
    actor_scopes: Vec<Option<&'a str>>,
    addresses: Vec<Option<&'a str>>,
    operations: Vec<&'a str>,
    event_instances: Vec<&'a str>,
    event_devices: Vec<Option<&'a str>>,
    outcomes: Vec<&'a str>,
    unrecorded: Vec<i64>,
}

impl<'a> InsertOtpDevices<'a> {
    /// The columns of rows.
    pub(crate) fn of(rows: &'a [InsertOtpDevice<'a>]) -> Self {
        fn column<'a, T>(
            rows: &'a [InsertOtpDevice<'a>],
            value: impl Fn(&'a InsertOtpDevice<'a>) -> T,
        ) -> Vec<T> {
            rows.iter().map(value).collect()
        }
        Self {
            instances: column(rows, |row| row.device.instance_id),
            devices: column(rows, |row| row.device.device_id),
            descriptions: column(rows, |row| row.device.description),
            keys: column(rows, |row| row.device.sealed_key),
            algorithms: column(rows, |row| row.device.algorithm),
            counters: column(rows, |row| row.device.counter),
            times: column(rows, |row| row.event.happened_at),
            actors: column(rows, |row| row.event.actor),
            actor_serials: column(rows, |row| row.event.actor_serial),
            actor_scopes: column(rows, |row| row.event.actor_scope.as_deref()),
            addresses: column(rows, |row| row.event.address.as_deref()),
            operations: column(rows, |row| row.event.operation),
            event_instances: column(rows, |row| row.event.instance_id),
            event_devices: column(rows, |row| row.event.device_id),
            outcomes: column(rows, |row| row.event.outcome),
            unrecorded: column(rows, |row| row.event.unrecorded),
        }
    }
}

statement!(
    InsertOtpDevices(
        instances: Array<Text>,
        devices: Array<Text>,
        descriptions: Array<Text>,
        keys: Array<Binary>,
        algorithms: Array<SmallInt>,
        counters: Array<BigInt>,
        times: Array<BigInt>,
        actors: Array<Text>,
        actor_serials: Array<Nullable<BigInt>>,
        actor_scopes: Array<Nullable<Text>>,
        addresses: Array<Nullable<Text>>,
        operations: Array<Text>,
        event_instances: Array<Text>,
        event_devices: Array<Nullable<Text>>,
        outcomes: Array<Text>,
        unrecorded: Array<BigInt>,
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
