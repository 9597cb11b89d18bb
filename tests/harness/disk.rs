//! Disks that a test can fill.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A disk that is small enough for a test to fill.
///
/// It is a `tmpfs`, which needs the right to mount. Without that right (as in most containers), it
/// is an ordinary folder, and a full disk is simulated by a limit on the size of files
/// (`RLIMIT_FSIZE`) of the writing processes. Writes then fail with `EFBIG` instead of `ENOSPC`.
pub struct SmallDisk {
    folder: TempDir,
    is_mounted: bool,
    largest_file: u32,
}

/// The file that fills the disk.
const BALLAST: &str = "ballast";

impl SmallDisk {
    /// Creates a disk of `mebibytes` MiB. Where it cannot be mounted, files are limited to
    /// `largest_file` MiB while the disk is full.
    #[must_use]
    pub fn new(mebibytes: u32, largest_file: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("merchant-otp-disk-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]);
        let mount = mount.arg(folder.path()).stdin(Stdio::null()).stderr(Stdio::null()).status();
        let is_mounted = mount.is_ok_and(|status| status.success());
        if !is_mounted {
            // PostgreSQL runs as another user.
            fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
            let _best_effort = writeln!(
                io::stderr(),
                "no disk may be mounted here: the limit on the size of files stands in for a full one"
            );
        }
        Self { folder, is_mounted, largest_file }
    }

    /// The folder of its files.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills the disk. Where it is not mounted, only these processes are affected.
    pub fn fill(&self, processes: &[u32]) {
        if !self.is_mounted {
            return limit_files(processes, &format!("{}", self.largest_file * 1024 * 1024));
        }
        let mut ballast = File::create(self.path().join(BALLAST)).unwrap();
        let zeros = [0; 4096];
        let full = loop {
            if let Err(error) = ballast.write_all(&zeros) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
    }

    /// Frees the space again.
    pub fn clear(&self, processes: &[u32]) {
        if !self.is_mounted {
            return limit_files(processes, "unlimited");
        }
        fs::remove_file(self.path().join(BALLAST)).unwrap();
    }
}

/// Limits the size of the files that these processes write.
fn limit_files(processes: &[u32], limit: &str) {
    for process in processes {
        // As the owner of the process: in some containers, root may not change limits of others.
        let folder = format!("/proc/{process}");
        let Ok(owner) = fs::metadata(&folder) else { continue };
        let mut prlimit = Command::new("prlimit");
        prlimit.uid(owner.uid()).gid(owner.gid());
        // Only the soft limit: only root could raise the hard limit again.
        prlimit.arg(format!("--pid={process}")).arg(format!("--fsize={limit}:"));
        let limited = prlimit.status().expect("prlimit of util-linux is needed");
        let has_ended = !Path::new(&folder).exists();
        assert!(limited.success() || has_ended, "neither a disk may be mounted nor a size limited");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Lazily: a process with an open file may end a moment later.
            let _stays_until_a_reboot =
                Command::new("umount").arg("--lazy").arg(self.path()).status();
        }
    }
}
