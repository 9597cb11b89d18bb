//! Protection of keys in memory against core dumps.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Keeps the memory of the process, which contains keys, out of core dumps, and makes it
/// inaccessible to other processes of the same user.
///
/// Errors are ignored: a system that does not allow this must not prevent the start.
pub(crate) fn disable_core_dumps() {
    let _unchanged = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _unchanged = prctl::set_dumpable(false);
}
