use diesel::prelude::*;

diesel::table! {
    serials (name) {
        name -> Text,
        last -> BigInt,
    }
}

/// Takes the next `count` serials of a table; returns the first one.
///
/// Inside a transaction: the serials of a transaction that is rolled back are used again.
pub(crate) fn take_serials(
    connection: &mut SqliteConnection,
    table: &str,
    count: usize,
) -> QueryResult<i64> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last = diesel::update(serials::table.find(table))
        .set(serials::last.eq(serials::last + count))
        .returning(serials::last)
        .get_result::<i64>(connection)?;
    Ok(last - count + 1)
}
