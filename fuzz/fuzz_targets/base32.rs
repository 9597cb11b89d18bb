//! Every valid key survives a round trip through its Base32 text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merchant_otp_domain::OtpKey;

fuzz_target!(|text: &str| {
    if let Ok(key) = OtpKey::from_base32(text) {
        let again = OtpKey::from_base32(&key.to_base32()).unwrap();
        assert!(again == key);
    }
});
