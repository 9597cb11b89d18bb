//! Benchmarks of the CPU-bound operations of requests: `cargo bench --package merchant-otp-bench`.
#![expect(clippy::unwrap_used, reason = "what is measured is valid")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use merchant_otp_domain::{
    AccessToken, Amount, InstanceId, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription,
    OtpDeviceId, OtpKey, Timestamp,
};
use merchant_otp_ports::{KeySealer, SealingContext};
use merchant_otp_sealing::{Keyring, MasterKey};
use merchant_otp_transport_http::internals;

/// A key of 20 bytes, as most authenticator apps create them.
const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

const BODY: &str = r#"{"otp_device_id":"till","otp_device_description":"Till at the door",
    "otp_key":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","otp_algorithm":1}"#;

fn device(algorithm: OtpAlgorithm) -> OtpDevice {
    let id = OtpDeviceId::parse("till").unwrap();
    let description = OtpDeviceDescription::parse("Till at the door").unwrap();
    let key = OtpKey::from_base32(KEY).unwrap();
    OtpDevice::new(id, description, key, algorithm, OtpCounter::new(0).unwrap()).unwrap()
}

fn domain(criterion: &mut Criterion) {
    criterion.bench_function("base32 of a key, read", |bencher| {
        bencher.iter(|| OtpKey::from_base32(black_box(KEY)));
    });
    let key = OtpKey::from_base32(KEY).unwrap();
    criterion.bench_function("base32 of a key, written", |bencher| {
        bencher.iter(|| black_box(&key).to_base32());
    });
    let (time, price) =
        (Timestamp::from_seconds(1_790_000_000).unwrap(), Amount::parse("KUDOS:4.20").unwrap());
    for (name, algorithm, price) in [
        ("five codes without price", OtpAlgorithm::TotpWithoutPrice, None),
        ("five codes with price", OtpAlgorithm::TotpWithPrice, Some(&price)),
    ] {
        let device = device(algorithm);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&device).codes(black_box(time), black_box(price)));
        });
    }
    let token = AccessToken::from_random(&[7; 32].into());
    criterion.bench_function("digest of a token", |bencher| {
        bencher.iter(|| black_box(&token).digest());
    });
}

fn json(criterion: &mut Criterion) {
    criterion.bench_function("JSON of a device, read", |bencher| {
        bencher.iter(|| internals::device(black_box(BODY.as_bytes())));
    });
}

fn sealing(criterion: &mut Criterion) {
    let keyring = Keyring::new(vec![MasterKey::generate().unwrap()]).unwrap();
    let (instance, device) = (InstanceId::admin(), OtpDeviceId::parse("till").unwrap());
    let (key, place) =
        (OtpKey::from_base32(KEY).unwrap(), SealingContext::Device(&instance, &device));
    criterion.bench_function("a key sealed", |bencher| {
        bencher.iter(|| keyring.seal(black_box(&key), place));
    });
    let sealed = keyring.seal(&key, place).unwrap();
    criterion.bench_function("a key opened", |bencher| {
        bencher.iter(|| keyring.open(black_box(&sealed), place));
    });
}

criterion_group!(pure, domain, json, sealing);
criterion_main!(pure);
