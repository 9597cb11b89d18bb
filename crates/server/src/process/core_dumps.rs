//! Core dumps, which would hold keys.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Keeps the memory of the process, which holds keys, out of core dumps and from other processes of
/// the same user.
///
/// A system that refuses is no reason not to serve: errors are ignored.
pub(crate) fn disable_core_dumps() {
    let _unchanged = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _unchanged = prctl::set_dumpable(false);
}
