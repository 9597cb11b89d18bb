//! What the process has to do with the operating system and with those who run it.

pub(crate) mod clock;
pub(crate) mod core_dumps;
pub(crate) mod file_limit;
pub(crate) mod metrics;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod telemetry;
pub(crate) mod welcome;
