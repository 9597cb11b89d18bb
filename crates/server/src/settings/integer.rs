//! Integer settings, which may come from the text of an environment variable.
//!
//! The errors of `config` and `serde_with` quote a value that is not an integer, but it may be a
//! misplaced secret. `config` would also accept `true` and `off` as integers. This module does
//! neither.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

/// An integer from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// Returns the integer.
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// Returns the integer as a smaller type, which must be able to hold `MAX`.
    pub(crate) fn get_as<T: TryFrom<u64> + Default>(self) -> T {
        T::try_from(self.0).unwrap_or_default()
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Integer)? {
            integer if (MIN..=MAX).contains(&integer) => Ok(Self(integer)),
            _ => Err(D::Error::custom(format_args!("must be from {MIN} to {MAX}"))),
        }
    }
}

struct Integer;

impl Visitor<'_> for Integer {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an integer")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(|_| E::custom("must not be negative"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::custom("must be an integer"))
    }
}
