//! No payload of an export of Google Authenticator makes its reader panic.
#![no_main]

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzz_target;
use merchant_otp_device_files::{Options, read};

fuzz_target!(|data: &[u8]| {
    let uri = format!("otpauth-migration://offline?data={}", BASE64URL_NOPAD.encode(data));
    let _ = read(uri.as_bytes(), &Options::default());
});
