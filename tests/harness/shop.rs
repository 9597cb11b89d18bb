//! The instance `shop`, which most tests use: its paths, bodies and replies.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::{Output, Reply, Server, Storage};

/// The path of its log-in.
pub const TOKEN: &str = "/instances/shop/private/token";

/// The path of its access tokens.
pub const TOKENS: &str = "/instances/shop/private/tokens";

/// The path of its password.
pub const AUTH: &str = "/instances/shop/private/auth";

/// The path of its devices.
pub const DEVICES: &str = "/instances/shop/private/otp-devices";

/// The body of a log-in with scope `all`.
pub const ALL: &str = r#"{"scope": "all"}"#;

/// The key of the test vectors of RFC 6238, in Base32.
pub const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A token in the form of those that the service issues, which it did not issue.
pub const UNKNOWN_TOKEN: &str = "secret-token:7777777777777777777777777777777777777777777777777777";

/// Starts a server with an instance `shop` whose password is `right`.
#[must_use]
pub fn shop(storage: &Storage) -> Server {
    let server = Server::start(storage);
    storage.password("shop", "right");
    server
}

/// The body of a successful reply, as JSON.
#[track_caller]
#[must_use]
pub fn json(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    reply.json()
}

/// The access token of a log-in.
#[track_caller]
#[must_use]
pub fn token(reply: &Reply) -> String {
    json(reply)["access_token"].as_str().unwrap().to_owned()
}

/// The standard output of a command that succeeds.
#[track_caller]
#[expect(clippy::must_use_candidate, reason = "a test may not look at the output")]
pub fn succeeds(output: Output) -> String {
    assert!(output.success, "{}", output.stderr);
    output.stdout
}

/// Asserts that a command fails with this message and prints nothing to standard output.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "it is the end of a command")]
pub fn fails(output: Output, message: &str) {
    assert!(!output.success);
    assert!(output.stderr.contains(message), "{}", output.stderr);
    assert_eq!(output.stdout, "");
}

/// The audit trail of an instance, as JSON; `more` are additional arguments of `audit list`.
#[track_caller]
#[must_use]
pub fn trail(storage: &Storage, instance: &str, more: &[&str]) -> Vec<Value> {
    let arguments = [&["audit", "list", "--instance", instance, "--json"], more].concat();
    let listed = succeeds(storage.run(&arguments));
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ids of the devices that were added to the shop, by its audit trail, in order.
#[track_caller]
#[must_use]
pub fn added_devices(storage: &Storage) -> Vec<String> {
    trail(storage, "shop", &[])
        .into_iter()
        .filter(|event| event["operation"] == "otp-device.add" && event["outcome"] == "done")
        .map(|event| event["device"].as_str().unwrap().to_owned())
        .collect()
}

/// The devices of the shop: their ids and descriptions.
#[track_caller]
#[must_use]
pub fn listed_devices(server: &Server, token: &str) -> BTreeMap<String, String> {
    let listed = json(&server.call("GET", DEVICES, token, ""));
    let text = |device: &Value, name: &str| device[name].as_str().unwrap().to_owned();
    let listed = listed["otp_devices"].as_array().unwrap().iter();
    listed
        .map(|device| (text(device, "otp_device_id"), text(device, "device_description")))
        .collect()
}

/// Waits until a condition holds.
///
/// # Panics
///
/// If it does not hold within 30 s; the message names it.
#[track_caller]
pub fn wait_until(name: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{name}");
        sleep(Duration::from_millis(10));
    }
}

/// The current time, in seconds since the epoch.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The number of days between two times as in RFC 3339, which are at most a month apart and differ
/// only in their dates.
#[must_use]
pub fn days_between(from: &str, to: &str) -> i64 {
    // The days since an arbitrary day (Howard Hinnant, days_from_civil).
    let days = |text: &str| {
        let date: Vec<i64> = text[..10].split('-').map(|part| part.parse().unwrap()).collect();
        let [year, month, day] = date[..] else { panic!("{text}") };
        let year = if month <= 2 { year - 1 } else { year };
        let month = (month + 9) % 12;
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day
    };
    assert_eq!(from[10..], to[10..]);
    days(to) - days(from)
}
