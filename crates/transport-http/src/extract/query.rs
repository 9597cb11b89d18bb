//! Query parameters.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::web::Query as Form;
use merchant_otp_domain::{Amount, Timestamp};

use crate::error::HttpError;

/// The reason why a parameter is malformed.
fn malformed(name: &'static str, reason: impl fmt::Display) -> HttpError {
    HttpError::Parameter { name, reason: reason.to_string() }
}

/// The query parameters of a request. Unknown ones are ignored; the last of duplicates counts.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        // Never fails: malformed parts of a form are read leniently.
        let form = Form::<Vec<(String, String)>>::from_query(request.query_string());
        Self(form.map(Form::into_inner).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns a number without a sign.
    ///
    /// Leading blanks are skipped, as by the C libraries.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, HttpError> {
        let Some(digits) = self.get(name).map(str::trim_ascii_start) else {
            return Ok(None);
        };
        // `parse` accepts a plus sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed(name, "must be an integer from 0 to 2^64 - 1"));
        }
        let number = digits.parse().map(Some);
        number.map_err(|_| malformed(name, "must be an integer from 0 to 2^64 - 1"))
    }

    /// Returns a number with or without a sign.
    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<i64>, HttpError> {
        let integer = self.get(name).map(|value| value.trim_ascii_start().parse()).transpose();
        integer.map_err(|_| malformed(name, "must be an integer from -2^63 to 2^63 - 1"))
    }

    /// Whether a parameter is `YES`. It may be absent or `NO` otherwise. The case is ignored.
    pub(crate) fn yes(&self, name: &'static str) -> Result<bool, HttpError> {
        match self.get(name) {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("NO") => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("YES") => Ok(true),
            Some(_) => Err(malformed(name, "must be YES or NO")),
        }
    }

    /// Returns a point in time, in seconds since the epoch.
    pub(crate) fn timestamp(&self, name: &'static str) -> Result<Option<Timestamp>, HttpError> {
        let timestamp = || self.number(name).ok()?.map(Timestamp::from_seconds).transpose().ok();
        let reason = "must be seconds since the epoch, from 0 to 2^53 - 1";
        timestamp().ok_or_else(|| malformed(name, reason))
    }

    /// Returns an amount of money.
    pub(crate) fn amount(&self, name: &'static str) -> Result<Option<Amount>, HttpError> {
        let amount = self.get(name).map(Amount::parse).transpose();
        amount.map_err(|reason| malformed(name, reason))
    }
}
