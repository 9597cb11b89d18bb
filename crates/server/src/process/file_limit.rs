//! The limit of file descriptors.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors other than connections: files, the database, the log.
const OTHERS: u64 = 64;

/// Descriptors of a connection of a client: the HTTP transport holds its socket twice.
const PER_CLIENT: u64 = 2;

/// Descriptors of a connection to the database: PostgreSQL has its socket and those of its runtime,
/// SQLite three files.
const PER_DATABASE_CONNECTION: u64 = 4;

/// Raises the limit of file descriptors to the hard limit, and warns if that is too low for as many
/// connections of clients and to the database.
///
/// The soft limit that shells and systemd set exists for programs that use `select`.
pub(crate) fn raise_file_limit(clients: usize, database: u16) {
    let Ok((_, limit)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let _unchanged = setrlimit(Resource::RLIMIT_NOFILE, limit, limit);
    let clients = u64::try_from(clients).unwrap_or(u64::MAX);
    let database = u64::from(database) * PER_DATABASE_CONNECTION;
    let needed = clients.saturating_mul(PER_CLIENT).saturating_add(database + OTHERS);
    if limit < needed {
        tracing::warn!(
            allowed = limit,
            needed,
            "file-descriptor limit too low for limits.max_connections"
        );
    }
}
