//! The address of a client behind a proxy.

use std::net::{IpAddr, SocketAddr};

/// The address of a client that comes through a proxy; `None` if the proxy does not say.
///
/// It is the last one of `X-Forwarded-For` or of `Forwarded` (RFC 7239), which the proxy put there;
/// those before it are what the client says. If both headers are there and differ, one of them is
/// the client's. A header that came more than once is taken as its last one.
///
/// No crate does this: those that there are take the first address, which the client chooses.
#[must_use]
pub fn forwarded_address(forwarded_for: Option<&str>, forwarded: Option<&str>) -> Option<IpAddr> {
    let forwarded_for =
        forwarded_for.map(|list| node(list.rsplit(',').next().unwrap_or_default().trim()));
    let forwarded = forwarded.map(forwarded_node);
    match (forwarded_for, forwarded) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => one.or(other)?,
    }
}

/// The address of a node, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let address = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip()).ok();
    text.parse().ok().or_else(address).or_else(with_port)
}

/// The address that the last element of a `Forwarded` names by `for`.
///
/// What a client sent may stand in quotes in it, its `Host` for one: the separators there are none.
fn forwarded_node(list: &str) -> Option<IpAddr> {
    let element = split_unquoted(list, ',')?.pop()?;
    let mut nodes = Vec::new();
    for pair in split_unquoted(element, ';')? {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            nodes.push(value);
        }
    }
    let [value] = &*nodes else {
        return None;
    };
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    node(unquoted.unwrap_or(value))
}

/// Splits a text where a character stands outside of quotes; `None` if a quote is not closed.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(start..position)?);
                start = position + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(forwarded_for: Option<&str>, forwarded: Option<&str>) -> Option<String> {
        forwarded_address(forwarded_for, forwarded).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_is_that_of_the_proxy() {
        for (list, expected) in [
            ("198.51.100.1", "198.51.100.1"),
            ("203.0.113.1, 198.51.100.1", "198.51.100.1"),
            ("203.0.113.1,198.51.100.1:4711", "198.51.100.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(address(Some(list), None).as_deref(), Some(expected), "{list}");
        }
        for list in ["", "unknown", "198.51.100.1, _hidden"] {
            assert_eq!(address(Some(list), None), None, "{list}");
        }
        assert_eq!(address(None, None), None);
    }

    #[test]
    fn forwarded_names_the_client_too() {
        for value in [
            "for=198.51.100.1",
            "For=\"198.51.100.1:4711\";proto=https",
            "for=203.0.113.1, proto=https; for=198.51.100.1",
        ] {
            assert_eq!(address(None, Some(value)).as_deref(), Some("198.51.100.1"), "{value}");
        }
        let ipv6 = address(None, Some("for=\"[2001:db8::1]:80\""));
        assert_eq!(ipv6.as_deref(), Some("2001:db8::1"));
        // What the client called the host is quoted.
        for host in ["x,for=203.0.113.1", "x;for=203.0.113.1", "x\\\",for=203.0.113.1"] {
            let value = format!("for=198.51.100.1;host=\"{host}\"");
            assert_eq!(address(None, Some(&value)).as_deref(), Some("198.51.100.1"), "{value}");
        }
        for value in [
            "",
            "for=unknown",
            "for=_hidden",
            "proto=https",
            "for",
            "for=198.51.100.1;for=203.0.113.1",
            "for=198.51.100.1;host=\"x",
        ] {
            assert_eq!(address(None, Some(value)), None, "{value}");
        }
        // Both, of which one may be the client's.
        let both = |one, other| address(Some(one), Some(other));
        assert_eq!(both("198.51.100.1", "for=198.51.100.1").as_deref(), Some("198.51.100.1"));
        assert_eq!(both("203.0.113.1", "for=198.51.100.1"), None);
        assert_eq!(both("198.51.100.1", "for=unknown"), None);
    }
}
