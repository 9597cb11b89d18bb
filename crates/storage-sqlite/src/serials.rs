//! Assigning serials and appending events.

use diesel::prelude::*;
use merchant_otp_domain::AuditEvent;
use merchant_otp_storage_sql::audit_rows::NewAuditEventRow;
use merchant_otp_storage_sql::schema::audit_events;

diesel::table! {
    serials (name) {
        name -> Text,
        last -> BigInt,
    }
}

/// Takes the next `count` serials of a table; returns the first one.
///
/// Must be called in a transaction. If the transaction is rolled back, its serials are taken again.
pub(crate) fn take_serials(
    connection: &mut SqliteConnection,
    table: &str,
    count: i64,
) -> QueryResult<i64> {
    let last: i64 = diesel::update(serials::table.find(table))
        .set(serials::last.eq(serials::last + count))
        .returning(serials::last)
        .get_result(connection)?;
    Ok(last - count + 1)
}

/// Appends events. Must be called in the transaction of their changes.
pub(crate) fn append_events(
    connection: &mut SqliteConnection,
    events: &[&AuditEvent],
) -> QueryResult<()> {
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    if count == 0 {
        // Write nothing, so that the commit does not wait for the disk.
        return Ok(());
    }
    for (serial, event) in (take_serials(connection, "audit_events", count)?..).zip(events) {
        diesel::insert_into(audit_events::table)
            .values((audit_events::serial.eq(serial), NewAuditEventRow::from(*event)))
            .execute(connection)?;
    }
    Ok(())
}
