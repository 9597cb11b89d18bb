//! Every valid amount survives a round trip through its text, with the same network bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merchant_otp_domain::Amount;

fuzz_target!(|text: &str| {
    if let Ok(amount) = Amount::parse(text) {
        let again = Amount::parse(&amount.to_string()).unwrap();
        assert_eq!(again, amount);
        assert_eq!(again.to_network_bytes(), amount.to_network_bytes());
    }
});
