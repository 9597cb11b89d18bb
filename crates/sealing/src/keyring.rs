//! The master keys of a process: the first one seals, all of them open.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use merchant_otp_domain::{MasterKeyId, OtpKey, SealedOtpKey};
use merchant_otp_ports::{KeySealer, SealError, SealingContext};
use thiserror::Error;

use crate::MasterKey;

/// The length of a nonce, in bytes.
const NONCE_BYTES: usize = 24;

/// A set of master keys: the first one seals, and each opens the keys that it sealed.
///
/// ```
/// use merchant_otp_domain::OtpKey;
/// use merchant_otp_ports::{KeySealer, SealingContext};
/// use merchant_otp_sealing::{Keyring, MasterKey};
///
/// let keyring = Keyring::new(vec![MasterKey::generate().unwrap()]).unwrap();
/// let key = OtpKey::from_base32("MZXW6").unwrap();
/// let sealed = keyring.seal(&key, SealingContext::CheckValue).unwrap();
/// assert_eq!(keyring.open(&sealed, SealingContext::CheckValue).unwrap(), key);
/// ```
#[derive(Debug)]
pub struct Keyring {
    current: MasterKey,
    former: Vec<MasterKey>,
}

impl Keyring {
    /// Creates a keyring; the first master key seals.
    ///
    /// # Errors
    ///
    /// If there is no master key, or one occurs twice.
    pub fn new(master_keys: Vec<MasterKey>) -> Result<Self, KeyringError> {
        let mut ids: Vec<_> = master_keys.iter().map(MasterKey::id).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(KeyringError::Twice(twice.first().copied()));
        }
        let mut master_keys = master_keys.into_iter();
        let current = master_keys.next().ok_or(KeyringError::Empty)?;
        Ok(Self { current, former: master_keys.collect() })
    }

    fn master_key(&self, id: MasterKeyId) -> Option<&MasterKey> {
        [&self.current].into_iter().chain(&self.former).find(|key| key.id() == id)
    }
}

/// Error returned by [`Keyring::new`].
///
/// ```
/// use merchant_otp_sealing::{Keyring, KeyringError};
///
/// assert_eq!(Keyring::new(Vec::new()).unwrap_err(), KeyringError::Empty);
/// ```
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyringError {
    /// There is no master key.
    #[error("at least one master key is required")]
    Empty,
    /// A master key occurs more than once.
    #[error("a master key is given twice")]
    Twice(Option<MasterKeyId>),
}

impl KeySealer for Keyring {
    fn current(&self) -> MasterKeyId {
        self.current.id()
    }

    fn has(&self, master_key: MasterKeyId) -> bool {
        self.master_key(master_key).is_some()
    }

    fn seal(&self, key: &OtpKey, context: SealingContext<'_>) -> Result<SealedOtpKey, SealError> {
        let failed = |cause: &'static str| SealError::Failed(cause.into());
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| SealError::Failed(error.into()))?;
        let payload = Payload { msg: key.expose_bytes(), aad: &associated_data(context) };
        let ciphertext = cipher(&self.current)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| failed("the cipher takes no such key"))?;
        let sealed = [self.current().as_bytes().as_slice(), &nonce, &ciphertext].concat();
        SealedOtpKey::new(sealed).map_err(|error| SealError::Failed(error.into()))
    }

    fn open(
        &self,
        sealed: &SealedOtpKey,
        context: SealingContext<'_>,
    ) -> Result<OtpKey, SealError> {
        let id = sealed.master_key();
        let master_key = self.master_key(id).ok_or(SealError::UnknownMasterKey(id))?;
        let (nonce, ciphertext) =
            sealed.sealed().split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Invalid(id))?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(context) };
        let key = cipher(master_key)
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealError::Invalid(id))?;
        OtpKey::from_bytes(key).map_err(|_| SealError::Invalid(id))
    }
}

fn cipher(master_key: &MasterKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(master_key.expose_bytes().into())
}

/// Encodes a context as associated data. Length prefixes make the encoding unambiguous.
fn associated_data(context: SealingContext<'_>) -> Vec<u8> {
    let parts: &[&[u8]] = match context {
        SealingContext::Device(instance, device) => {
            &[b"otp_devices.otp_key", instance.as_str().as_bytes(), device.as_str().as_bytes()]
        }
        SealingContext::CheckValue => &[b"master_keys.sample"],
    };
    parts
        .iter()
        .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use merchant_otp_domain::{InstanceId, OtpDeviceId};
    use proptest::prelude::*;

    use super::*;

    fn keyring() -> Keyring {
        Keyring::new(vec![MasterKey::generate().unwrap()]).unwrap()
    }

    fn instance(id: &str) -> InstanceId {
        InstanceId::parse(id).unwrap()
    }

    fn device(id: &str) -> OtpDeviceId {
        OtpDeviceId::parse(id).unwrap()
    }

    fn is_invalid(opened: &Result<OtpKey, SealError>) -> bool {
        matches!(opened, Err(SealError::Invalid(_)))
    }

    #[test]
    fn a_key_opens_in_its_place_and_nowhere_else() {
        let keyring = keyring();
        let (shop, till) = (instance("shop"), device("till"));
        let context = SealingContext::Device(&shop, &till);
        let key = OtpKey::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let sealed = keyring.seal(&key, context).unwrap();
        assert_eq!(keyring.open(&sealed, context).unwrap(), key);
        let (other, till2, shoptill, l) =
            (instance("other"), device("till2"), instance("shopt"), device("ill"));
        for context in [
            SealingContext::Device(&other, &till),
            SealingContext::Device(&shop, &till2),
            SealingContext::Device(&shoptill, &l),
            SealingContext::CheckValue,
        ] {
            assert!(is_invalid(&keyring.open(&sealed, context)), "{context:?}");
        }
        let check_value = keyring.seal(&key, SealingContext::CheckValue).unwrap();
        assert!(is_invalid(&keyring.open(&check_value, context)));
    }

    #[test]
    fn the_first_master_key_seals_and_all_open() {
        let [one, two, three] = [(); 3].map(|()| MasterKey::generate().unwrap().to_base64());
        let keyring = |texts: &[&str]| {
            let keys = texts.iter().map(|text| MasterKey::from_base64(text).unwrap());
            Keyring::new(keys.collect())
        };
        let old = keyring(&[&one]).unwrap();
        let new = keyring(&[&two, &one]).unwrap();
        let key = OtpKey::from_base32("MZXW6").unwrap();
        let sealed = old.seal(&key, SealingContext::CheckValue).unwrap();
        assert_eq!(sealed.master_key(), old.current());
        assert_eq!(new.open(&sealed, SealingContext::CheckValue).unwrap(), key);
        let sealed = new.seal(&key, SealingContext::CheckValue).unwrap();
        assert_eq!(sealed.master_key(), new.current());
        let unknown = keyring(&[&three]).unwrap().open(&sealed, SealingContext::CheckValue);
        assert!(matches!(unknown, Err(SealError::UnknownMasterKey(id)) if id == new.current()));
        assert!(new.has(old.current()) && !old.has(new.current()));
        assert_eq!(keyring(&[]).unwrap_err(), KeyringError::Empty);
        assert!(matches!(keyring(&[&one, &two, &one]), Err(KeyringError::Twice(Some(_)))));
    }

    proptest! {
        #[test]
        fn every_key_comes_back_and_no_change_goes_unnoticed(
            bytes in prop::collection::vec(any::<u8>(), 0..=OtpKey::MAX_BYTES),
            position in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let keyring = keyring();
            let (shop, till) = (instance("shop"), device("till"));
            let context = SealingContext::Device(&shop, &till);
            let key = OtpKey::from_bytes(bytes.clone()).unwrap();
            let sealed = keyring.seal(&key, context).unwrap();
            prop_assert_eq!(sealed.as_bytes().len(), bytes.len() + 48);
            prop_assert_eq!(&keyring.open(&sealed, context).unwrap(), &key);
            prop_assert_ne!(&keyring.seal(&key, context).unwrap(), &sealed);

            let mut changed = sealed.as_bytes().to_vec();
            let position = position.index(changed.len());
            changed[position] ^= 1 << bit;
            prop_assert!(keyring.open(&SealedOtpKey::new(changed).unwrap(), context).is_err());
            let cut = SealedOtpKey::new(sealed.as_bytes()[..8 + position / 2].to_vec()).unwrap();
            prop_assert!(is_invalid(&keyring.open(&cut, context)));
        }
    }
}
