//! Programs that tests and checks need, installed if they are missing.
//!
//! If a program cannot be installed, the error explains what to do; no test is skipped because of
//! it.
#![expect(clippy::disallowed_methods, reason = "for development only")]

mod apt;
mod cargo_programs;
mod libfaketime;
mod oathtool;
mod proxies;
mod schemathesis;

pub use apt::apt_install;
pub use cargo_programs::{cargo_deb, cargo_deny, cargo_fuzz};
pub use libfaketime::libfaketime;
pub use oathtool::oathtool;
pub use proxies::{caddy, nginx};
pub use schemathesis::schemathesis;
