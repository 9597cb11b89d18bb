//! Parameters of the query.

use actix_web::HttpRequest;
use actix_web::web::Query as Form;
use merchant_otp_domain::{Amount, Timestamp};

use crate::error::HttpError;

/// The parameters of a request's query; unknown ones are ignored, of duplicates the last counts.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        // Every text is a form: what is not is read as well as it can be.
        let form = Form::<Vec<(String, String)>>::from_query(request.query_string());
        Self(form.map(Form::into_inner).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A number without a sign.
    ///
    /// Blanks in front are skipped, as by the C libraries.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, HttpError> {
        let Some(digits) = self.get(name).map(str::trim_ascii_start) else {
            return Ok(None);
        };
        // `parse` takes a plus.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HttpError::Parameter(name));
        }
        digits.parse().map(Some).map_err(|_| HttpError::Parameter(name))
    }

    /// A number with or without a sign.
    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<i64>, HttpError> {
        let integer = self.get(name).map(|value| value.trim_ascii_start().parse()).transpose();
        integer.map_err(|_| HttpError::Parameter(name))
    }

    /// Whether a parameter is `YES`, in any case; it may be absent, or `NO`.
    pub(crate) fn yes(&self, name: &'static str) -> Result<bool, HttpError> {
        match self.get(name) {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("NO") => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("YES") => Ok(true),
            Some(_) => Err(HttpError::Parameter(name)),
        }
    }

    /// A point in time, in seconds since the epoch.
    pub(crate) fn timestamp(&self, name: &'static str) -> Result<Option<Timestamp>, HttpError> {
        let timestamp = self.number(name)?.map(Timestamp::from_seconds).transpose();
        timestamp.map_err(|_| HttpError::Parameter(name))
    }

    /// An amount of money.
    pub(crate) fn amount(&self, name: &'static str) -> Result<Option<Amount>, HttpError> {
        let amount = self.get(name).map(Amount::parse).transpose();
        amount.map_err(|_| HttpError::Parameter(name))
    }
}
