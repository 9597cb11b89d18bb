//! Jumps of the system clock, as when it is set by hand.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use merchant_otp_test_tools::libfaketime;
use merchant_otp_tests::{ALL, DEVICES, ErrorCode, Server, Storage, basic};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    clock_jumps_take_effect_at_once,
}

const HOUR: i64 = 60 * 60;

const DAY: i64 = 24 * HOUR;

/// An adjustable clock, for the process that is started with it.
struct Clock<'a>(&'a Path);

impl Clock<'_> {
    /// Sets the clock to this many seconds from the real time.
    fn set(&self, offset: i64) {
        // Atomically: the file may be read at any time.
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{offset:+}")).unwrap();
        fs::rename(&new, self.0).unwrap();
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn clock_jumps_take_effect_at_once(storage: &Storage) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offset");
    let clock = Clock(&file);
    clock.set(0);
    let library = libfaketime().unwrap();
    // The monotonic clock is unaffected, as when the system clock is set by hand.
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let settings = [("HTTP__BEHIND_PROXY", "true")];
    let server = Server::start_with_environment(storage, &settings, &environment);
    let short = storage.token("shop", "all", "1h");
    let token = storage.token("shop", "all", "forever");
    for instance in ["cafe", "other"] {
        storage.password(instance, "right");
    }
    server.post("shop", &token, device("till").to_string()).expect_stored();
    // Fails until log-ins are refused; returns the number of failures.
    let guess = || {
        for number in 0.. {
            let headers =
                [("Authorization", &*basic("cafe", "wrong")), ("X-Forwarded-For", "192.0.2.7")];
            let path = "/instances/cafe/private/token";
            let reply = server.request("POST", path, &headers, ALL.as_bytes());
            if reply.status != 401 {
                reply.expect_error(429, ErrorCode::MerchantGenericUnauthorized);
                let wait: u64 = reply.header("Retry-After").unwrap().parse().unwrap();
                assert!(wait <= 120, "{wait}");
                return number;
            }
        }
        unreachable!("more guesses than there are numbers")
    };
    assert!(guess() >= 10);

    let till = format!("{DEVICES}/till");
    let jumps = [0, 2 * HOUR, -2 * HOUR, 3 * DAY, 0, -40 * DAY, 400 * DAY, -now(), 0];
    for (number, offset) in jumps.into_iter().enumerate() {
        clock.set(offset);
        let begin = Instant::now();

        // Codes are computed for the time of the clock.
        let before = now() + offset;
        let shown = server.call("GET", &till, &token, "").json();
        let time = shown["otp_timestamp"].as_i64().unwrap();
        assert!((before..=now() + offset).contains(&time), "{offset}: {time}");
        let of_time = server.call("GET", &format!("{till}?faketime={time}"), &token, "").json();
        assert_eq!(shown, of_time, "{offset}");

        // Tokens expire by the clock, and only by it.
        let expired = offset >= HOUR;
        let reply = server.call("GET", &till, &short, "");
        assert_eq!(reply.status, if expired { 401 } else { 200 }, "{offset}: {}", reply.body);

        // Changes succeed, and a log-in issues a token that expires a day after the time of the
        // clock.
        let id = format!("after jump {number}");
        server.post("shop", &token, device(&id).to_string()).expect_stored();
        server.post("shop", &token, device(&id).to_string()).expect_stored();
        let change = json!({ "otp_ctr": number }).to_string();
        server.call("PATCH", &till, &token, change).expect_stored();
        let log_in = server.log_in("other", "right", ALL);
        assert_eq!(log_in.status, 200, "{}", log_in.body);
        let expiration = log_in.json()["expiration"]["t_s"].as_i64().unwrap();
        let expected = now() + offset + DAY;
        assert!((expected - 60..=expected).contains(&expiration), "{offset}: {expiration}");
        let new = log_in.json()["access_token"].as_str().unwrap().to_owned();
        let devices = "/instances/other/private/otp-devices";
        assert_eq!(server.call("GET", devices, &new, "").status, 200);

        // A jump neither lifts the throttling of log-ins nor extends it by its own length.
        assert!(guess() <= 2, "{offset}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{offset}: {:?}", begin.elapsed());
    }

    // Idle connections and the shutdown go by the monotonic clock.
    sleep(Duration::from_millis(100));
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    let (_, log) = server.stop();
    assert!(!log.contains("panicked") && !log.contains("\"status\":5"), "{log}");
}
