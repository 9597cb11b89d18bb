//! The process: operating system, systemd, log, metrics, and output of the first start.

pub(crate) mod clock;
pub(crate) mod core_dumps;
pub(crate) mod file_limit;
pub(crate) mod metrics;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod telemetry;
pub(crate) mod welcome;
