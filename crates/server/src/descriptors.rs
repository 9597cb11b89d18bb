use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that are no connections of clients: files, the database, the log.
const OTHERS: u64 = 64;

/// How many descriptors a connection of a client takes: the transport holds its socket twice.
const OF_A_CONNECTION: u64 = 2;

/// How many one of the database takes: PostgreSQL its socket and those of its runtime, SQLite three files.
const OF_A_SESSION: u64 = 4;

/// Lets the process have as many descriptors as it may, and warns if that is too few for so many
/// connections of clients and of the database.
///
/// What shells and systemd set is the lower of two limits, which is there for programs that use `select`.
pub(crate) fn allow(clients: usize, database: u16) {
    let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let _as_before = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    let clients = u64::try_from(clients).unwrap_or(u64::MAX);
    let database = u64::from(database) * OF_A_SESSION;
    let needed = clients.saturating_mul(OF_A_CONNECTION).saturating_add(database + OTHERS);
    if most < needed {
        tracing::warn!(
            allowed = most,
            needed,
            "too few file descriptors are allowed for http.max_connections"
        );
    }
}
