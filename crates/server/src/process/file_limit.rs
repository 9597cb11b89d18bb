//! The file-descriptor limit.

use merchant_otp_transport_kit::Limits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that do not belong to connections, such as files, the log and the connections that
/// read metrics.
const RESERVED: u64 = 128;

/// Descriptors per database connection: PostgreSQL uses a socket and those of a runtime, SQLite
/// three files.
const PER_DATABASE_CONNECTION: u64 = 4;

/// Raises the file-descriptor limit to the hard limit, and lowers the limit of client connections
/// to what it allows: each connection needs a descriptor.
///
/// The low soft limit of shells and systemd exists only for programs that use `select`.
pub(crate) fn fit_to_file_limit(limits: Limits, database_connections: u16) -> Limits {
    let Ok((_, allowed)) = getrlimit(Resource::RLIMIT_NOFILE) else { return limits };
    let _unchanged = setrlimit(Resource::RLIMIT_NOFILE, allowed, allowed);
    let others = RESERVED + u64::from(database_connections) * PER_DATABASE_CONNECTION;
    let available = usize::try_from(allowed.saturating_sub(others)).unwrap_or(usize::MAX).max(1);
    if limits.max_connections <= available {
        return limits;
    }
    tracing::info!(
        descriptors = allowed,
        max_connections = available,
        "lowered limits.max_connections to the file-descriptor limit"
    );
    let per_address = limits.max_connections_per_address.min(available.div_ceil(4));
    Limits { max_connections: available, max_connections_per_address: per_address, ..limits }
}
