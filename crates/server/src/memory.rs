use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Keeps the memory of the process, which holds keys, out of core dumps and from other processes of the
/// same user.
///
/// As well as it can: a system that refuses is no reason not to serve.
pub(crate) fn keep_private() {
    let _as_before = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _as_before = prctl::set_dumpable(false);
}
