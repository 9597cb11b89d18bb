//! Texts that the descriptions of several endpoints share.

pub(crate) const OTP_DEVICES: &str = "OTP devices";
pub(crate) const ACCESS_TOKENS: &str = "Access tokens";
pub(crate) const INSTANCES: &str = "Instances";
pub(crate) const SERVICE: &str = "Service";

pub(crate) const TOO_MANY_PASSWORDS: &str =
    "Too many passwords are being hashed (2015). `Retry-After` is the time to wait.";
