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

    /// A point in time, in seconds since the epoch.
    pub(crate) fn timestamp(&self, name: &'static str) -> Result<Option<Timestamp>, HttpError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        // Blanks in front are skipped, as by the C libraries; a sign makes no time.
        let digits = value.trim_ascii_start();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HttpError::Parameter(name));
        }
        let seconds = digits.parse().map_err(|_| HttpError::Parameter(name))?;
        Timestamp::from_seconds(seconds).map(Some).map_err(|_| HttpError::Parameter(name))
    }

    /// An amount of money.
    pub(crate) fn amount(&self, name: &'static str) -> Result<Option<Amount>, HttpError> {
        let amount = self.get(name).map(Amount::parse).transpose();
        amount.map_err(|_| HttpError::Parameter(name))
    }
}
