//! Queries that check whether a new access token may be stored.

use diesel::dsl::auto_type;
use diesel::prelude::*;

use crate::schema::{access_tokens, instances};

/// Finds an instance with this password hash that is not deleted.
#[must_use]
#[auto_type(no_type_alias)]
pub fn password<'a>(instance: &'a str, hash: &'a str) -> _ {
    instances::table
        .find(instance)
        .filter(instances::deleted.eq(false))
        .filter(instances::password_hash.eq(hash))
        .select(instances::id)
}

/// Finds an access token of an instance that expires after `now`, in seconds since the epoch.
#[must_use]
#[auto_type(no_type_alias)]
pub fn token<'a>(instance: &'a str, serial: i64, now: i64) -> _ {
    access_tokens::table
        .filter(access_tokens::instance_id.eq(instance))
        .filter(access_tokens::serial.eq(serial))
        .filter(access_tokens::expires_at.is_null().or(access_tokens::expires_at.gt(now)))
        .select(access_tokens::serial)
}

/// Finds a row if an instance has more than `others` access tokens that expire after `now`, in
/// seconds since the epoch.
#[must_use]
#[auto_type(no_type_alias)]
pub fn tokens<'a>(instance: &'a str, others: i64, now: i64) -> _ {
    access_tokens::table
        .filter(access_tokens::instance_id.eq(instance))
        .filter(access_tokens::expires_at.is_null().or(access_tokens::expires_at.gt(now)))
        .select(access_tokens::serial)
        .offset(others)
        .limit(1_i64)
}
