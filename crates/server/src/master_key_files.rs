//! Reads master keys from files and environment variables, and creates one on the first start.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use merchant_otp_domain::SealedOtpKey;
use merchant_otp_ports::{SealedKeyStore, StoreResult};
use merchant_otp_sealing::{Keyring, MasterKey, MasterKeyError};
use tempfile::Builder;
use zeroize::Zeroizing;

use crate::settings::MasterKeySource;

/// Reads the master key that a source names.
fn read(source: &MasterKeySource) -> anyhow::Result<MasterKey> {
    let text = match source {
        MasterKeySource::File(path) => read_file(path)?,
        MasterKeySource::Environment(name) => {
            // Not `env::var`: its error quotes a value that is not UTF-8.
            #[expect(clippy::disallowed_methods, reason = "the settings name the variable")]
            let value = env::var_os(name).context("the environment variable is not set")?;
            let value = value.into_string().map_err(|_| MasterKeyError)?;
            Zeroizing::new(value)
        }
    };
    Ok(MasterKey::from_base64(&text)?)
}

/// What to do about the master key of an embedded database that has none yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create it.
    Create,
    /// Refuse: the command only reads.
    Refuse,
    /// Generate one in memory: the command checks what another one would do.
    Generate,
}

/// The master keys of a database, and the file of the one that was just created, if any.
pub(crate) struct MasterKeys {
    pub(crate) keyring: Keyring,
    pub(crate) created: Option<PathBuf>,
}

impl MasterKeys {
    /// Reads the configured master keys.
    ///
    /// If none is configured, reads the one in the file `beside` an embedded database. If that file
    /// is missing and the database contains nothing sealed yet, `missing` tells what to do.
    pub(crate) async fn read(
        sources: &[MasterKeySource],
        beside: Option<PathBuf>,
        missing: Missing,
        sealed_keys: &dyn SealedKeyStore,
    ) -> anyhow::Result<Self> {
        let mut keys = Vec::new();
        let mut created = None;
        for source in sources {
            let key = read(source).with_context(|| format!("security.master_keys: {source}"))?;
            keys.push(key);
        }
        if keys.is_empty() {
            let Some(path) = beside else {
                bail!(
                    "security.master_keys: no master key is configured; create one with \
                     `merchant-otp key generate FILE`, add \"file:FILE\" to security.master_keys, \
                     and back up the file separately from the database"
                );
            };
            if !path.exists() {
                // A concurrent first start writes the file before it stores anything sealed with
                // its key. If sealed data is found, only a second check shows whether the file is
                // missing.
                if let Some(by) = sealed_by(sealed_keys).await?
                    && !path.exists()
                {
                    bail!(
                        "the database contains keys sealed with {by}, but the file {} is missing; \
                         restore it from its backup",
                        path.display()
                    );
                }
                if missing == Missing::Generate && !path.exists() {
                    let keyring = Keyring::new(vec![MasterKey::generate()?])?;
                    return Ok(Self { keyring, created: None });
                }
                if missing == Missing::Refuse && !path.exists() {
                    bail!("there is no master key yet; the first start creates {}", path.display());
                }
                if write_file(&path, &MasterKey::generate()?)? {
                    created = Some(path.clone());
                }
            }
            let key = read(&MasterKeySource::File(path.clone()));
            keys.push(key.with_context(|| path.display().to_string())?);
        }
        Ok(Self { keyring: Keyring::new(keys).context("security.master_keys")?, created })
    }
}

/// Names a master key that sealed something in the database; `None` if nothing is sealed.
async fn sealed_by(sealed_keys: &dyn SealedKeyStore) -> StoreResult<Option<String>> {
    let check_value = sealed_keys.check_values().await?.first().map(SealedOtpKey::master_key);
    if let Some(id) = check_value {
        return Ok(Some(format!("the master key {id}")));
    }
    // Also if the row is damaged.
    let device = sealed_keys.list(None, 1).await?.pop();
    Ok(device.map(|device| match device {
        Ok(device) => format!("the master key {}", device.key.master_key()),
        Err(_) => "a master key".to_owned(),
    }))
}

/// Reads a file; fails if users other than its owner and group have access to it.
fn read_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    const MAX_BYTES: u64 = 1024;
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let other_access = mode & 0o007;
    ensure!(
        other_access == 0,
        "other users can access the file; run `chmod o= {}`",
        path.display()
    );
    let mut text = Zeroizing::new(String::with_capacity(1024));
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a master key to a new file, atomically and durably. Returns `false` and changes nothing
/// if the file exists.
pub(crate) fn write_file(path: &Path, key: &MasterKey) -> anyhow::Result<bool> {
    let no_name = || format!("{}: the path has no file name", path.display());
    let name = path.file_name().with_context(no_name)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let write = || -> io::Result<bool> {
        let builder = Builder::new().prefix(name).suffix(".new").clone();
        // `tempfile` makes files that only their owner can read.
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(key.to_base64().as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        let created = match file.persist_noclobber(path) {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
            persisted => persisted.map(|_| true)?,
        };
        File::open(folder)?.sync_all()?;
        Ok(created)
    };
    write().with_context(|| path.display().to_string())
}

/// The message about a master key that was created automatically.
pub(crate) fn master_key_created(path: &Path) -> String {
    format!(
        "created the master key {}; back it up separately from the database: without it, all \
         device keys are lost",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use async_trait::async_trait;
    use merchant_otp_domain::{MasterKeyId, OtpKey};
    use merchant_otp_ports::{DamagedKey, DeviceKey, KeyReplacement, KeySealer, SealingContext};

    use super::*;

    /// A database in which another process stores a check value just before the check values are
    /// read. If `file` is set, that process writes the file of the master key first.
    struct FirstStartElsewhere {
        key: MasterKey,
        file: Option<PathBuf>,
    }

    #[async_trait]
    impl SealedKeyStore for FirstStartElsewhere {
        async fn list(
            &self,
            _: Option<(&str, &str)>,
            _: u16,
        ) -> StoreResult<Vec<Result<DeviceKey, DamagedKey>>> {
            Ok(Vec::new())
        }

        async fn master_keys(&self) -> StoreResult<Vec<(MasterKeyId, u64)>> {
            Ok(Vec::new())
        }

        async fn replace(&self, _: Vec<KeyReplacement>) -> StoreResult<u64> {
            Ok(0)
        }

        async fn check_values(&self) -> StoreResult<Vec<SealedOtpKey>> {
            if let Some(path) = &self.file {
                write_file(path, &self.key).unwrap();
            }
            let key = MasterKey::from_base64(&self.key.to_base64()).unwrap();
            let keyring = Keyring::new(vec![key]).unwrap();
            Ok(vec![keyring.seal(&OtpKey::default(), SealingContext::CheckValue).unwrap()])
        }

        async fn add_check_value(&self, _: SealedOtpKey) -> StoreResult<()> {
            Ok(())
        }

        async fn remove_check_value(&self, _: MasterKeyId) -> StoreResult<bool> {
            Ok(false)
        }
    }

    #[tokio::test]
    async fn the_master_key_of_another_first_start_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::generate().unwrap();
        let elsewhere = FirstStartElsewhere { key, file: Some(path.clone()) };
        let keys = MasterKeys::read(&[], Some(path), Missing::Create, &elsewhere).await.unwrap();
        assert_eq!(keys.keyring.current(), elsewhere.key.id());
        assert_eq!(keys.created, None);
    }

    #[tokio::test]
    async fn a_master_key_that_is_lost_is_not_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let lost = FirstStartElsewhere { key: MasterKey::generate().unwrap(), file: None };
        let error = MasterKeys::read(&[], Some(path.clone()), Missing::Create, &lost).await;
        let error = error.err().unwrap();
        assert!(error.to_string().contains("restore it from its backup"), "{error}");
        assert!(!path.exists());
    }

    /// An interrupted `write_file` leaves a link to the master key behind.
    #[test]
    fn files_left_behind_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::generate().unwrap();
        assert!(write_file(&path, &key).unwrap());
        let before = fs::metadata(&path).unwrap().ino();
        for suffix in [std::process::id().to_string(), String::new()] {
            fs::hard_link(&path, folder.path().join(format!("master.key.{suffix}.new"))).unwrap();
        }
        assert!(!write_file(&path, &MasterKey::generate().unwrap()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(read(&MasterKeySource::File(path)).unwrap().id(), key.id());
    }

    #[test]
    fn a_master_key_is_written_once_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::generate().unwrap();
        assert!(write_file(&path, &key).unwrap());
        assert!(!write_file(&path, &MasterKey::generate().unwrap()).unwrap());
        assert_eq!(read(&MasterKeySource::File(path.clone())).unwrap().id(), key.id());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(read(&MasterKeySource::File(path.clone())).unwrap().id(), key.id());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read(&MasterKeySource::File(path)).unwrap_err().to_string();
        assert!(error.contains("chmod o="), "{error}");
    }
}
