//! The lock of a database, and what it records.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use merchant_otp_ports::Cause;

use crate::file::{FileMark, LOCK, file_error, with_suffix};

/// A lock that is held by the one process that creates, opens, migrates or replaces the database.
///
/// It locks a separate file, `-lock`, whose content is a [`LogOwner`]: closing the database file
/// would release the locks that SQLite holds on it in this process
/// (<https://sqlite.org/howtocorrupt.html>, section 2.2).
pub(crate) struct OpeningLock {
    path: PathBuf,
    file: File,
}

impl OpeningLock {
    /// Waits for the lock. The folder of the database must exist.
    pub(crate) fn take(database: &Path) -> Result<Self, Cause> {
        let path = with_suffix(database, LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(file_error(&path))?;
        file.lock().map_err(file_error(&path))?;
        Ok(Self { path, file })
    }

    /// Reads the record of a lock that may not exist, without locking it.
    pub(crate) fn peek(database: &Path) -> Result<Option<LogOwner>, Cause> {
        let path = with_suffix(database, LOCK);
        match File::open(&path) {
            Ok(file) => Self { path, file }.owner(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path)(error)),
        }
    }

    /// The mark of the lock's own file.
    pub(crate) fn mark(&self) -> Result<FileMark, Cause> {
        Ok(FileMark::of(&self.file.metadata().map_err(file_error(&self.path))?))
    }

    /// Reads the record; `None` if there is none.
    pub(crate) fn owner(&self) -> Result<Option<LogOwner>, Cause> {
        let mut bytes = [0; RECORD_BYTES];
        let mut length = 0;
        while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, length as u64).map_err(file_error(&self.path))? {
                0 => break,
                read => length += read,
            }
        }
        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
        Ok((!text.trim().is_empty()).then(|| LogOwner::parse(&text)))
    }

    /// Writes the record, durably. One write replaces all of it, because its length is fixed.
    pub(crate) fn record(&self, owner: &LogOwner) -> Result<(), Cause> {
        let text = format!("{:<1$}\n", owner.to_string(), RECORD_BYTES - 1);
        let written = self.file.write_all_at(text.as_bytes(), 0);
        written.and_then(|()| self.file.sync_all()).map_err(file_error(&self.path))
    }
}

/// The length of a record, in bytes.
const RECORD_BYTES: usize = 256;

/// The id of a database file, which each process that opens it to write replaces by a random one.
///
/// It is SQLite's `user_version`, which is in the header of the file: it can be read without the
/// log and without the schema. 0 is the id of a file that was never opened to write, such as a
/// backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseId(pub(crate) i32);

/// The database file that the log (`-wal`) belongs to, as the `-lock` file records it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogOwner {
    /// The ids that the file may have: several while a new id is only in the log.
    pub(crate) ids: Vec<DatabaseId>,
    /// The marks of the database file and of the lock file when the record was written.
    pub(crate) marks: Option<(FileMark, FileMark)>,
}

impl LogOwner {
    /// The maximum number of ids.
    pub(crate) const MAX_IDS: usize = 8;

    /// Whether the log belongs to the file with this id and mark, beside a lock with that mark.
    ///
    /// An online copy of the file has the same id. It is recognised by its mark, if the lock file
    /// still has its own. If both differ, all files were copied together, or the file system was
    /// mounted again: then only the id counts.
    pub(crate) fn is(&self, id: DatabaseId, database: FileMark, lock: FileMark) -> bool {
        let replaced = |(former, its_lock)| its_lock == lock && former != database;
        self.ids.contains(&id) && !self.marks.is_some_and(replaced)
    }

    /// Parses a record. One that is not valid has no ids: it belongs to no file.
    fn parse(text: &str) -> Self {
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let id = |word: &str| u32::from_str_radix(word, 16).ok().map(u32::cast_signed);
        let ids = line("database ").unwrap_or_default().split_whitespace().map(id);
        let ids = ids.map(|id| id.map(DatabaseId)).collect::<Option<Vec<_>>>().unwrap_or_default();
        let marks = line("files ").and_then(|marks| marks.trim().split_once(' '));
        let marks = marks.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        Self { ids, marks }
    }
}

impl fmt::Display for LogOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "database")?;
        for DatabaseId(id) in &self.ids {
            write!(formatter, " {id:08x}")?;
        }
        if let Some((database, lock)) = self.marks {
            write!(formatter, "\nfiles {database} {lock}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[i32]) -> Vec<DatabaseId> {
        ids.iter().copied().map(DatabaseId).collect()
    }

    fn mark(inode: u64) -> FileMark {
        FileMark { inode, created: u64::MAX.into() }
    }

    #[test]
    fn a_record_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("otp.db");
        assert_eq!(OpeningLock::peek(&database).unwrap(), None);
        let lock = OpeningLock::take(&database).unwrap();
        assert_eq!(lock.owner().unwrap(), None);
        let most = ids(&[i32::MAX, -1, 1, 0, 2, 3, 4, i32::MIN]);
        assert_eq!(most.len(), LogOwner::MAX_IDS);
        for owner in [
            LogOwner { ids: most, marks: Some((mark(u64::MAX), mark(u64::MAX))) },
            LogOwner { ids: ids(&[7]), marks: Some((mark(1), mark(2))) },
            LogOwner { ids: ids(&[0]), marks: None },
        ] {
            lock.record(&owner).unwrap();
            assert_eq!(lock.owner().unwrap(), Some(owner));
            assert_eq!(lock.file.metadata().unwrap().len(), RECORD_BYTES as u64);
        }
    }

    #[test]
    fn a_record_that_is_not_valid_names_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("otp.db");
        for text in ["x", "database", "database zz", "database 1 zz\nfiles 1-0 2-0"] {
            std::fs::write(with_suffix(&database, LOCK), text).unwrap();
            let owner = OpeningLock::peek(&database).unwrap().unwrap();
            for id in [0, 1] {
                assert!(!owner.is(DatabaseId(id), mark(1), mark(2)), "{text}");
            }
        }
    }

    #[test]
    fn the_mark_counts_beside_the_same_lock() {
        let [one, two, three, four] = [1, 2, 3, 4].map(mark);
        let owner = LogOwner { ids: ids(&[7]), marks: Some((one, two)) };
        assert!(owner.is(DatabaseId(7), one, two));
        assert!(!owner.is(DatabaseId(8), one, two));
        assert!(!owner.is(DatabaseId(7), three, two), "a copy of the file is in its place");
        let reused = FileMark { created: 9, ..one };
        assert!(!owner.is(DatabaseId(7), reused, two), "a copy has the number of its inode");
        assert!(owner.is(DatabaseId(7), three, four), "all files were copied");
        assert!(owner.is(DatabaseId(7), one, four), "the lock was made anew");
    }
}
