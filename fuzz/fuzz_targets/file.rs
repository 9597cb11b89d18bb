//! No bytes make the recognition of the format, or a reader, panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merchant_otp_device_files::{Options, read};

fuzz_target!(|data: &[u8]| {
    let options = Options::default();
    let _ = read(data, &options);
});
