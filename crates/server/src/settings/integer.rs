//! Integers of settings, which may be the text of an environment variable.
//!
//! By hand, because the errors of `config` and of `serde_with` quote a value that is no integer,
//! and it may be a secret in the wrong place. `config` would also take `true` and `off` for
//! integers.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

/// An integer from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// The integer.
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// The integer, as a smaller type that holds `MAX`.
    pub(crate) fn get_as<T: TryFrom<u64> + Default>(self) -> T {
        T::try_from(self.0).unwrap_or_default()
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Integer)? {
            integer if (MIN..=MAX).contains(&integer) => Ok(Self(integer)),
            _ => Err(D::Error::custom(format_args!("it is {MIN} to {MAX}"))),
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
        u64::try_from(value).map_err(|_| E::custom("it is negative"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::custom("it is not an integer"))
    }
}
