//! The statements of the batches, each with one variant for a single request and one for many.
//!
//! A statement over arrays costs the database more than one over values, so a single request uses
//! the latter. Look-ups are plain joins of tables that are co-located by instance, which Citus can
//! distribute.

use diesel::pg::Pg;
use diesel::prelude::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, SmallInt, Text};
use merchant_otp_storage_sql::audit_rows::NewAuditEventRow;
use merchant_otp_storage_sql::rows::{DeviceToInsert, NewOtpDeviceRow};

/// Defines a statement that diesel prepares once per connection.
///
/// `diesel::sql_query` is prepared at each execution; this statement has a static id, because its
/// text is constant. The fields, each with its SQL type, replace the `$` in their order.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $type:ty => $sql_type:ty),+ $(,)? } $(-> $row:ty)?, $sql:expr
    ) => {
        $(#[$doc])*
        pub(crate) struct $name<'a> {
            $(pub(crate) $field: $type,)+
        }

        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        $(impl Query for $name<'_> {
            type SqlType = $row;
        })?

        impl QueryFragment<Pg> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                let mut parts = $sql.split('$');
                out.push_sql(parts.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$sql_type, _>(&self.$field)?;
                    out.push_sql(parts.next().unwrap_or_default());
                )+
                Ok(())
            }
        }
    };
}

statement!(
    /// Finds the device with an id in an instance, as the row of request number 1.
    FindOtpDevice { instance: &'a str => Text, device: &'a str => Text }
        -> (BigInt, (Text, Text, Binary, SmallInt, BigInt)),
    "SELECT 1::bigint, device_id, description, sealed_key, algorithm, counter \
     FROM otp_devices WHERE instance_id = $ AND device_id = $"
);

statement!(
    /// Finds the devices with ids in instances, each with the number of its request, from 1.
    FindOtpDevices { instances: Vec<&'a str> => Array<Text>, devices: Vec<&'a str> => Array<Text> }
        -> (BigInt, (Text, Text, Binary, SmallInt, BigInt)),
    "SELECT asked.number, found.device_id, found.description, found.sealed_key, \
            found.algorithm, found.counter \
     FROM unnest($, $) WITH ORDINALITY AS asked (instance_id, device_id, number) \
     JOIN otp_devices AS found \
        ON found.instance_id = asked.instance_id AND found.device_id = asked.device_id"
);

statement!(
    /// Finds out whether an instance is deleted, and its access token with a digest, as the row of
    /// request number 1.
    FindAccessToken { digest: &'a [u8] => Binary, instance: &'a str => Text }
        -> (BigInt, Bool, Nullable<(BigInt, Text, BigInt, Nullable<BigInt>, Text)>),
    "SELECT 1::bigint, instances.deleted, found.serial, found.scope, found.created_at, \
            found.expires_at, found.description \
     FROM instances \
     LEFT JOIN access_tokens AS found ON found.instance_id = instances.id AND found.digest = $ \
     WHERE instances.id = $"
);

statement!(
    /// [`FindAccessToken`] for many requests, each row with the number of its request, from 1.
    FindAccessTokens { instances: Vec<&'a str> => Array<Text>, digests: Vec<&'a [u8]> => Array<Binary> }
        -> (BigInt, Bool, Nullable<(BigInt, Text, BigInt, Nullable<BigInt>, Text)>),
    "SELECT asked.number, instances.deleted, found.serial, found.scope, found.created_at, \
            found.expires_at, found.description \
     FROM unnest($, $) WITH ORDINALITY AS asked (instance_id, digest, number) \
     JOIN instances ON instances.id = asked.instance_id \
     LEFT JOIN access_tokens AS found \
        ON found.instance_id = instances.id AND found.digest = asked.digest"
);

statement!(
    /// Stores a device and its event unless the device exists; affects one row if it was stored and
    /// none otherwise.
    InsertOtpDevice {
        instance_id: &'a str => Text,
        device_id: &'a str => Text,
        description: &'a str => Text,
        sealed_key: &'a [u8] => Binary,
        algorithm: i16 => SmallInt,
        counter: i64 => BigInt,
        happened_at: i64 => BigInt,
        event_instance_id: &'a str => Text,
        actor: &'a str => Text,
        actor_serial: Option<i64> => Nullable<BigInt>,
        actor_scope: Option<String> => Nullable<Text>,
        address: Option<String> => Nullable<Text>,
        operation: &'a str => Text,
        event_device_id: Option<&'a str> => Nullable<Text>,
        outcome: &'a str => Text,
        unrecorded: i64 => BigInt,
    },
    "WITH stored AS (\
        INSERT INTO otp_devices \
            (instance_id, device_id, description, sealed_key, algorithm, counter) \
        VALUES ($, $, $, $, $, $) ON CONFLICT DO NOTHING RETURNING 1) \
     INSERT INTO audit_events \
        (happened_at, instance_id, actor, actor_serial, actor_scope, address, operation, \
         device_id, outcome, unrecorded) \
     SELECT $, $, $, $, $, $, $, $, $, $ FROM stored"
);

impl<'a> From<&'a DeviceToInsert> for InsertOtpDevice<'a> {
    fn from(request: &'a DeviceToInsert) -> Self {
        let device = NewOtpDeviceRow::from(request);
        let event = NewAuditEventRow::from(&request.event);
        Self {
            instance_id: device.instance_id,
            device_id: device.device_id,
            description: device.description,
            sealed_key: device.sealed_key,
            algorithm: device.algorithm,
            counter: device.counter,
            happened_at: event.happened_at,
            event_instance_id: event.instance_id,
            actor: event.actor,
            actor_serial: event.actor_serial,
            actor_scope: event.actor_scope,
            address: event.address,
            operation: event.operation,
            event_device_id: event.device_id,
            outcome: event.outcome,
            unrecorded: event.unrecorded,
        }
    }
}

statement!(
    /// Stores the devices that do not exist, with their events; returns the instances and ids of
    /// the others.
    ///
    /// Each field is a column of the devices or of their events, with one element per request.
    InsertOtpDevices {
        instances: Vec<&'a str> => Array<Text>,
        devices: Vec<&'a str> => Array<Text>,
        descriptions: Vec<&'a str> => Array<Text>,
        keys: Vec<&'a [u8]> => Array<Binary>,
        algorithms: Vec<i16> => Array<SmallInt>,
        counters: Vec<i64> => Array<BigInt>,
        times: Vec<i64> => Array<BigInt>,
        event_instances: Vec<&'a str> => Array<Text>,
        actors: Vec<&'a str> => Array<Text>,
        actor_serials: Vec<Option<i64>> => Array<Nullable<BigInt>>,
        actor_scopes: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        addresses: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        operations: Vec<&'a str> => Array<Text>,
        event_devices: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        outcomes: Vec<&'a str> => Array<Text>,
        unrecorded: Vec<i64> => Array<BigInt>,
    } -> (Text, Text),
    "WITH asked AS MATERIALIZED (\
        SELECT * FROM unnest($, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $) \
        AS asked (instance_id, device_id, description, sealed_key, algorithm, counter, \
            happened_at, event_instance_id, actor, actor_serial, actor_scope, address, operation, \
            event_device_id, outcome, unrecorded)), \
     stored AS (\
        INSERT INTO otp_devices \
            (instance_id, device_id, description, sealed_key, algorithm, counter) \
        SELECT instance_id, device_id, description, sealed_key, algorithm, counter FROM asked \
        ON CONFLICT DO NOTHING RETURNING instance_id, device_id), \
     recorded AS (\
        INSERT INTO audit_events \
            (happened_at, instance_id, actor, actor_serial, actor_scope, address, operation, \
             device_id, outcome, unrecorded) \
        SELECT happened_at, event_instance_id, actor, actor_serial, actor_scope, address, \
            operation, event_device_id, outcome, unrecorded \
        FROM asked JOIN stored USING (instance_id, device_id)) \
     SELECT instance_id, device_id FROM asked \
     WHERE (instance_id, device_id) NOT IN (SELECT instance_id, device_id FROM stored)"
);

impl<'a> InsertOtpDevices<'a> {
    /// Transposes rows to columns.
    pub(crate) fn of(rows: &'a [InsertOtpDevice<'a>]) -> Self {
        Self {
            instances: rows.iter().map(|row| row.instance_id).collect(),
            devices: rows.iter().map(|row| row.device_id).collect(),
            descriptions: rows.iter().map(|row| row.description).collect(),
            keys: rows.iter().map(|row| row.sealed_key).collect(),
            algorithms: rows.iter().map(|row| row.algorithm).collect(),
            counters: rows.iter().map(|row| row.counter).collect(),
            times: rows.iter().map(|row| row.happened_at).collect(),
            event_instances: rows.iter().map(|row| row.event_instance_id).collect(),
            actors: rows.iter().map(|row| row.actor).collect(),
            actor_serials: rows.iter().map(|row| row.actor_serial).collect(),
            actor_scopes: rows.iter().map(|row| row.actor_scope.as_deref()).collect(),
            addresses: rows.iter().map(|row| row.address.as_deref()).collect(),
            operations: rows.iter().map(|row| row.operation).collect(),
            event_devices: rows.iter().map(|row| row.event_device_id).collect(),
            outcomes: rows.iter().map(|row| row.outcome).collect(),
            unrecorded: rows.iter().map(|row| row.unrecorded).collect(),
        }
    }
}
