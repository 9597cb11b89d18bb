//! Encrypts OTP keys with master keys: the adapter of the port
//! [`KeySealer`](merchant_otp_ports::KeySealer).
//!
//! The cipher is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a random nonce of 192 bits,
//! which never repeats. The associated data identifies the context that a key is sealed for. A
//! sealed key consists of the id of its master key, the nonce, the ciphertext, and the tag: 48
//! bytes more than the key.

mod keyring;
mod master_key;

pub use keyring::{Keyring, KeyringError};
pub use master_key::{MasterKey, MasterKeyError};
