//! No backup of andOTP makes its reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merchant_otp_device_files::{Format, Options, read};

fuzz_target!(|data: &[u8]| {
    let options = Options { format: Some(Format::AndOtp), ..Options::default() };
    let _ = read(data, &options);
});
