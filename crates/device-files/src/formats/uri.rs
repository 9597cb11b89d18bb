//! What the URIs and exports of apps have in common.

use zeroize::Zeroizing;

use crate::text::trim;

/// Whether a text begins with a scheme, in upper or lower case.
pub(super) fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The name of the account without its issuer, and both for people.
pub(super) fn id_and_description(
    label: &str,
    issuer: &str,
) -> (Zeroizing<String>, Zeroizing<String>) {
    let (issuer, account) = match label.split_once(':') {
        Some((prefix, account)) if issuer.is_empty() || trim(prefix) == issuer => {
            (trim(prefix), trim(account))
        }
        _ => (issuer, trim(label)),
    };
    let description =
        if issuer.is_empty() { account.to_owned() } else { format!("{issuer}: {account}") };
    (Zeroizing::new(account.to_owned()), Zeroizing::new(description))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_issuer_is_no_part_of_the_id() {
        for (label, issuer, id, description) in [
            ("Shop:till", "Shop", "till", "Shop: till"),
            ("Shop: till", "", "till", "Shop: till"),
            ("till", "Shop", "till", "Shop: till"),
            ("a:b", "Shop", "a:b", "Shop: a:b"),
            ("till", "", "till", "till"),
        ] {
            let (found, text) = super::id_and_description(label, issuer);
            assert_eq!((found.as_str(), text.as_str()), (id, description));
        }
    }
}
