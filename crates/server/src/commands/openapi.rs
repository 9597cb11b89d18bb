//! `openapi`: print the description of the endpoints.

use std::io::{self, Write};

/// Prints the OpenAPI description.
pub(crate) fn openapi() -> anyhow::Result<()> {
    write!(io::stdout(), "{}", merchant_otp_transport_http::openapi())?;
    Ok(())
}
