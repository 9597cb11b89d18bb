//! Compares the codes with the registry of GNU Taler (GANA) and with docs/codes.md.
//!
//! `taler-error-codes.tsv` contains the registry's codes as of 2026-10-12.

use std::collections::{BTreeMap, BTreeSet};

use merchant_otp_taler_protocol::{ErrorClass, ErrorCode};

/// Statuses that deviate from the registry, with the reasons.
const DEVIATIONS: &[(u16, u16, &str)] = &[
    (22, 408, "a body that does not come in time; the registry has no code for it"),
    (28, 415, "the content coding is not supported; the registry has no code for it"),
    (51, 503, "a request that succeeds later: clients and proxies try again after a 503"),
    (2015, 403, "POST /instances without the right to manage instances, as clients expect"),
    (2015, 429, "too many log-ins; the registry has no code for it"),
];

/// The HTTP status of a class, as in the registry.
fn status(class: ErrorClass) -> u16 {
    match class {
        ErrorClass::Malformed => 400,
        ErrorClass::Unauthorized => 401,
        ErrorClass::Forbidden => 403,
        ErrorClass::NotFound => 404,
        ErrorClass::MethodInvalid => 405,
        ErrorClass::Slow => 408,
        ErrorClass::Unsupported => 415,
        ErrorClass::Conflict => 409,
        ErrorClass::TooLarge => 413,
        ErrorClass::TooMany => 429,
        ErrorClass::Failed => 500,
        ErrorClass::Busy => 503,
    }
}

/// The number, name and status of each code, once per class.
fn answered() -> BTreeSet<(u16, &'static str, u16)> {
    let of = |code: &ErrorCode| {
        let (number, name) = (code.number(), code.name());
        code.classes().iter().map(move |class| (number, name, status(*class)))
    };
    ErrorCode::ALL.iter().flat_map(of).collect()
}

#[test]
fn the_codes_are_those_of_the_registry() {
    let registry: BTreeMap<u16, (&str, u16)> = include_str!("taler-error-codes.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            (columns[0].parse().unwrap(), (columns[1], columns[2].parse().unwrap()))
        })
        .collect();
    assert!(registry.len() > 200, "the registry has {} codes", registry.len());
    let mut deviations = BTreeSet::new();
    for (number, name, status) in answered() {
        let (registered, expected) = registry[&number];
        assert_eq!(name, registered, "{number}");
        if status != expected {
            deviations.insert((number, status));
        }
    }
    let listed = DEVIATIONS.iter().map(|(number, status, _)| (*number, *status)).collect();
    assert_eq!(deviations, listed);
}

#[test]
fn the_codes_are_in_order() {
    assert!(ErrorCode::ALL.is_sorted());
    for code in ErrorCode::ALL {
        assert_eq!(code.classes()[0], code.class());
        assert!(code.hint().ends_with('.'));
    }
}

/// docs/codes.md has a row for each code and status, and no other rows.
#[test]
fn every_code_is_documented() {
    let mut documented = BTreeSet::new();
    let mut last = "";
    for row in include_str!("../../../docs/codes.md").lines() {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let Some(Ok(number)) = cells.next().map(str::parse::<u16>) else { continue };
        let status: u16 = cells.next().unwrap().parse().unwrap();
        let name = cells.next().unwrap();
        if name != "the same" {
            last = name.trim_matches('`');
        }
        documented.insert((number, last, status));
    }
    assert_eq!(documented, answered());
}
