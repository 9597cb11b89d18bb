//! No PSKC container makes its reader panic, whatever it encrypts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merchant_otp_device_files::{Format, Options, Secret, read};

fuzz_target!(|data: &[u8]| {
    let options = Options {
        format: Some(Format::Pskc),
        secret: Some(Secret::PreSharedKey(vec![7; 16].into())),
        allow_unauthenticated: true,
        ..Options::default()
    };
    let _ = read(data, &options);
});
