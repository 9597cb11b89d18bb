//! Passwords that were right recently.

use std::sync::OnceLock;
use std::time::Duration;

use merchant_otp_domain::{InstanceId, Password, PasswordHash};
use quick_cache::sync::Cache;
use tokio::time::Instant;

/// How long a password is remembered after it was verified.
const LIFETIME: Duration = Duration::from_mins(1);

/// The maximum number of passwords in memory.
const CAPACITY: usize = 1024;

/// Remembers passwords that were verified recently, so that a client that presents its password
/// with every request does not cost a hash each.
///
/// Holds keyed digests, not passwords. An entry is valid only together with the stored hash that
/// the password was verified against, whose salt is random: a new password, or another instance
/// with the same id, voids it.
pub(crate) struct VerifiedPasswords {
    /// The key of the digests, drawn on first use. It does not leave the process.
    key: OnceLock<[u8; 32]>,
    entries: Cache<[u8; 32], (PasswordHash, Instant)>,
}

impl Default for VerifiedPasswords {
    fn default() -> Self {
        Self { key: OnceLock::new(), entries: Cache::new(CAPACITY) }
    }
}

impl VerifiedPasswords {
    /// Whether the password was verified against this hash recently.
    pub(crate) fn contains(
        &self,
        instance: &InstanceId,
        password: &Password,
        hash: &PasswordHash,
    ) -> bool {
        let Some(digest) = self.digest(instance, password) else { return false };
        self.entries.get(&digest).is_some_and(|(verified, verified_at)| {
            verified == *hash && verified_at.elapsed() < LIFETIME
        })
    }

    /// Remembers a password that was just verified against this hash.
    pub(crate) fn insert(&self, instance: &InstanceId, password: &Password, hash: &PasswordHash) {
        if let Some(digest) = self.digest(instance, password) {
            self.entries.insert(digest, (hash.clone(), Instant::now()));
        }
    }

    /// Returns the keyed digest; `None` if there are no random bits for the key.
    fn digest(&self, instance: &InstanceId, password: &Password) -> Option<[u8; 32]> {
        if self.key.get().is_none() {
            let mut key = [0; 32];
            getrandom::fill(&mut key).ok()?;
            // Another thread may have been faster.
            let _its_key_is_used = self.key.set(key);
        }
        Some(password.keyed_digest(self.key.get()?, instance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_password_is_remembered_for_a_minute_with_its_hash() {
        let (shop, cafe) = (InstanceId::admin(), InstanceId::parse("cafe").unwrap());
        let (right, wrong) = (Password::parse("right").unwrap(), Password::parse("wrong").unwrap());
        let (hash, other) = (right.hash([1; 16]), right.hash([2; 16]));
        let verified = VerifiedPasswords::default();
        assert!(!verified.contains(&shop, &right, &hash));
        verified.insert(&shop, &right, &hash);
        assert!(verified.contains(&shop, &right, &hash));
        assert!(!verified.contains(&shop, &wrong, &hash));
        assert!(!verified.contains(&cafe, &right, &hash));
        // The same password, set again.
        assert!(!verified.contains(&shop, &right, &other));
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(verified.contains(&shop, &right, &hash));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!verified.contains(&shop, &right, &hash));
    }
}
