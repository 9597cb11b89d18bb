//! No request body makes the transport panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| merchant_otp_transport_http::internals::body(data));
