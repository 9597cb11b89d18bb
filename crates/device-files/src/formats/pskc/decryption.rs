//! Decryption of the keys of PSKC (RFC 6030 section 6): AES-CBC, then a MAC over the cipher text.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::text::base64;
use crate::xml::Element;
use crate::{FileError, Options, Reason, Secret, limits};

/// The keys that decrypt a file.
pub(super) struct Decryption {
    key: Zeroizing<Vec<u8>>,
    mac: Option<MacMethod>,
    allow_unauthenticated: bool,
}

struct MacMethod {
    hash: MacHash,
    key: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum MacHash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Decryption {
    pub(super) fn new(
        encryption_key: Option<&Element>,
        mac_method: Option<&Element>,
        options: &Options,
    ) -> Result<Self, FileError> {
        let derived = encryption_key.and_then(|key| key.find(&["DerivedKey"]));
        let is_certificate = encryption_key.is_some_and(|key| key.find(&["X509Data"]).is_some());
        let key = match (derived, &options.secret) {
            _ if is_certificate => return Err(FileError::Encryption),
            (Some(derived), Some(Secret::Passphrase(passphrase))) => {
                derive(derived, passphrase).ok_or(FileError::Encryption)?
            }
            (Some(_), _) => return Err(FileError::PassphraseNeeded),
            (None, Some(Secret::PreSharedKey(key))) => key.clone(),
            (None, _) => return Err(FileError::KeyNeeded),
        };
        let mac = mac_method.map(|method| mac(method, &key)).transpose()?;
        Ok(Self { key, mac, allow_unauthenticated: options.allow_unauthenticated })
    }

    /// Decrypts a value after its MAC is checked.
    pub(super) fn decrypt(
        &self,
        encrypted: &Element,
        value_mac: Option<&Element>,
    ) -> Result<Zeroizing<Vec<u8>>, Reason> {
        let cipher_text = cipher_text(encrypted).ok_or(Reason::NotBase64)?;
        match (&self.mac, value_mac) {
            (Some(mac), Some(value)) => {
                let value = base64(value.text()).ok_or(Reason::NotBase64)?;
                if !mac.verify(&cipher_text, &value) {
                    return Err(Reason::MacMismatch);
                }
            }
            _ if self.allow_unauthenticated => {}
            _ => return Err(Reason::MacMissing),
        }
        decrypt(encrypted, &cipher_text, &self.key)
    }
}

/// PBKDF2 (RFC 8018).
fn derive(derived: &Element, passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
    let method = derived.find(&["KeyDerivationMethod"])?;
    if !method.attribute("Algorithm")?.ends_with("#pbkdf2") {
        return None;
    }
    let parameters = method.find(&["PBKDF2-params"])?;
    let salt = base64(parameters.find(&["Salt", "Specified"])?.text())?;
    let iterations: u32 = parameters.find(&["IterationCount"])?.text().parse().ok()?;
    let length: usize = parameters.find(&["KeyLength"])?.text().parse().ok()?;
    if !(1..=limits::MAX_ITERATIONS).contains(&iterations) || !matches!(length, 16 | 24 | 32) {
        return None;
    }
    let mut key = Zeroizing::new(vec![0; length]);
    let function = parameters.find(&["PRF"]).and_then(|function| function.attribute("Algorithm"));
    let (password, salt) = (passphrase.as_bytes(), salt.as_slice());
    match function.map_or(Some(MacHash::Sha1), mac_hash)? {
        MacHash::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut key),
        MacHash::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut key),
        MacHash::Sha384 => pbkdf2_hmac::<Sha384>(password, salt, iterations, &mut key),
        MacHash::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut key),
    }
    Some(key)
}

fn mac_hash(algorithm: &str) -> Option<MacHash> {
    let name = algorithm.rsplit(['#', ':']).next()?.to_ascii_lowercase();
    match name.as_str() {
        "hmac-sha1" | "hmacsha1" => Some(MacHash::Sha1),
        "hmac-sha256" | "hmacsha256" => Some(MacHash::Sha256),
        "hmac-sha384" | "hmacsha384" => Some(MacHash::Sha384),
        "hmac-sha512" | "hmacsha512" => Some(MacHash::Sha512),
        _ => None,
    }
}

/// The method of the MAC. Its key is encrypted; without one, it is the encryption key.
fn mac(method: &Element, encryption_key: &[u8]) -> Result<MacMethod, FileError> {
    let hash = method.attribute("Algorithm").and_then(mac_hash).ok_or(FileError::Encryption)?;
    let key = match method.find(&["MACKey"]) {
        None => Zeroizing::new(encryption_key.to_vec()),
        Some(encrypted) => {
            let cipher_text = cipher_text(encrypted).ok_or(FileError::Encryption)?;
            decrypt(encrypted, &cipher_text, encryption_key).map_err(|reason| match reason {
                Reason::Encryption => FileError::Encryption,
                _ => FileError::WrongSecret,
            })?
        }
    };
    Ok(MacMethod { hash, key })
}

impl MacMethod {
    /// Compares in constant time.
    fn verify(&self, value: &[u8], tag: &[u8]) -> bool {
        match self.hash {
            MacHash::Sha1 => Hmac::<Sha1>::new_from_slice(&self.key)
                .is_ok_and(|mac| mac.chain_update(value).verify_slice(tag).is_ok()),
            MacHash::Sha256 => Hmac::<Sha256>::new_from_slice(&self.key)
                .is_ok_and(|mac| mac.chain_update(value).verify_slice(tag).is_ok()),
            MacHash::Sha384 => Hmac::<Sha384>::new_from_slice(&self.key)
                .is_ok_and(|mac| mac.chain_update(value).verify_slice(tag).is_ok()),
            MacHash::Sha512 => Hmac::<Sha512>::new_from_slice(&self.key)
                .is_ok_and(|mac| mac.chain_update(value).verify_slice(tag).is_ok()),
        }
    }
}

fn cipher_text(encrypted: &Element) -> Option<Zeroizing<Vec<u8>>> {
    base64(encrypted.find(&["CipherData", "CipherValue"])?.text())
}

/// Decrypts AES-CBC; the initialization vector is the first block.
fn decrypt(
    encrypted: &Element,
    cipher_text: &[u8],
    key: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let method = encrypted.find(&["EncryptionMethod"]);
    let algorithm = method.and_then(|method| method.attribute("Algorithm")).unwrap_or_default();
    let (iv, blocks) = cipher_text.split_at_checked(16).ok_or(Reason::Decryption)?;
    let plain = match algorithm.rsplit('#').next() {
        Some("aes128-cbc") => cbc::<Aes128>(key, iv, blocks),
        Some("aes192-cbc") => cbc::<Aes192>(key, iv, blocks),
        Some("aes256-cbc") => cbc::<Aes256>(key, iv, blocks),
        _ => return Err(Reason::Encryption),
    };
    plain.ok_or(Reason::Decryption)
}

fn cbc<C>(key: &[u8], iv: &[u8], blocks: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    C: aes::cipher::BlockCipherDecrypt + KeyInit,
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
{
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    decryptor.decrypt_padded_vec::<Pkcs7>(blocks).ok().map(Zeroizing::new)
}
