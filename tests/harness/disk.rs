//! Small disks that fill up.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A disk so small that a test can fill it.
///
/// It is a `tmpfs` of its own, which takes the right to mount. Where that is missing (in most
/// containers), it is a folder in which no file may become larger than some size while the disk is
/// full: a limit of the kernel on the processes (`RLIMIT_FSIZE`), which refuses to write as a full
/// disk does, though with another error (`EFBIG` for `ENOSPC`).
pub struct SmallDisk {
    folder: TempDir,
    is_mounted: bool,
    largest_file: u32,
}

/// The file that fills the disk.
const BALLAST: &str = "ballast";

impl SmallDisk {
    /// A disk of `mebibytes` MiB; or, where it cannot be mounted, one where files end at
    /// `largest_file` MiB once it is full.
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
            let _for_whoever_runs_it = writeln!(
                io::stderr(),
                "no disk may be mounted here: the limit on the size of files stands in for a full one"
            );
        }
        Self { folder, is_mounted, largest_file }
    }

    /// Where files are on it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no room on it, for these processes in any case.
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

    /// Makes room again.
    pub fn clear(&self, processes: &[u32]) {
        if !self.is_mounted {
            return limit_files(processes, "unlimited");
        }
        fs::remove_file(self.path().join(BALLAST)).unwrap();
    }
}

/// Sets how large the files may become that processes write.
fn limit_files(processes: &[u32], limit: &str) {
    for process in processes {
        // As the user whose process it is, for root may not in every container.
        let folder = format!("/proc/{process}");
        let Ok(owner) = fs::metadata(&folder) else { continue };
        let mut prlimit = Command::new("prlimit");
        prlimit.uid(owner.uid()).gid(owner.gid());
        // The soft limit alone: only root can raise a hard one again.
        prlimit.arg(format!("--pid={process}")).arg(format!("--fsize={limit}:"));
        let limited = prlimit.status().expect("prlimit of util-linux is needed");
        let has_ended = !Path::new(&folder).exists();
        assert!(limited.success() || has_ended, "neither a disk may be mounted nor a size limited");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Lazily: what still has a file open on it may end a moment later.
            let _stays_until_a_reboot =
                Command::new("umount").arg("--lazy").arg(self.path()).status();
        }
    }
}
