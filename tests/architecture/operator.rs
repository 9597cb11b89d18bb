//! The permissions of the operator need no credentials: only the command line may use them.

use crate::crates;
use crate::modules::Modules;

/// The crates that may name `application::operator`.
const TRUSTED: [&str; 2] = ["application", "server"];

#[test]
fn no_transport_names_the_operator() {
    let mut trusted = Vec::new();
    for (name, folder) in crates() {
        let source = Modules::of_crate(&folder);
        let is_named = source.names("operator") || source.names("Operator");
        if TRUSTED.contains(&&*name) {
            assert!(is_named, "{name} need not be trusted");
            trusted.push(name);
        } else if name.starts_with("transport-") || name == "taler-protocol" || name == "web-page" {
            assert!(!is_named, "{name} names the operator");
        } else {
            // Another crate must not name the operator if it calls use cases.
            assert!(!source.names("merchant_otp_application") || !is_named, "{name}");
        }
    }
    assert_eq!(trusted, TRUSTED);
}
