//! What the description of several endpoints says.

pub(crate) const OTP_DEVICES: &str = "OTP devices";
pub(crate) const ACCESS_TOKENS: &str = "Access tokens";
pub(crate) const INSTANCES: &str = "Instances";
pub(crate) const SERVICE: &str = "Service";

pub(crate) const TOO_MANY_PASSWORDS: &str =
    "Too many passwords are worked on (2015); `Retry-After` tells how long to wait.";
