//! The file-descriptor limit.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that do not belong to connections, such as files and the log.
const RESERVED: u64 = 64;

/// Descriptors per client connection: the HTTP transport holds each socket twice.
const PER_CLIENT: u64 = 2;

/// Descriptors per database connection: PostgreSQL uses a socket and those of a runtime, SQLite
/// three files.
const PER_DATABASE_CONNECTION: u64 = 4;

/// Raises the file-descriptor limit to the hard limit. Logs a warning if that is too low for this
/// number of client connections and database connections.
///
/// The low soft limit of shells and systemd exists only for programs that use `select`.
pub(crate) fn raise_file_limit(clients: usize, database: u16) {
    let Ok((_, limit)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let _unchanged = setrlimit(Resource::RLIMIT_NOFILE, limit, limit);
    let clients = u64::try_from(clients).unwrap_or(u64::MAX);
    let database = u64::from(database) * PER_DATABASE_CONNECTION;
    let needed = clients.saturating_mul(PER_CLIENT).saturating_add(database + RESERVED);
    if limit < needed {
        tracing::warn!(
            allowed = limit,
            needed,
            "file-descriptor limit too low for limits.max_connections"
        );
    }
}
