//! Programs that tests and checks run beside the service, installed when they are missing.
//!
//! What cannot be installed is an error that says what to do: no test is skipped for the want of
//! it.
#![expect(clippy::disallowed_methods, reason = "for development only")]

mod apt;
mod cargo_programs;
mod libfaketime;
mod oathtool;
mod schemathesis;

pub use apt::apt_install;
pub use cargo_programs::{cargo_deb, cargo_deny, cargo_fuzz};
pub use libfaketime::libfaketime;
pub use oathtool::oathtool;
pub use schemathesis::schemathesis;
