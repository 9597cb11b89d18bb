//! Seals OTP keys by master keys: the adapter of the port `KeySealer`.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a random nonce of 192 bits, which never
//! repeats. The associated data names the place that a key is sealed for. A sealed key is the id of
//! its master key, the nonce, the ciphertext, and the tag: 48 bytes more than the key.

mod keyring;
mod master_key;

pub use keyring::{Keyring, KeyringError};
pub use master_key::{MasterKey, MasterKeyError};
