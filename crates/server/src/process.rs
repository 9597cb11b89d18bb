//! The process: the operating system, systemd, the log, the first start.

pub(crate) mod clock;
pub(crate) mod core_dumps;
pub(crate) mod file_limit;
pub(crate) mod metrics;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod telemetry;
pub(crate) mod welcome;
