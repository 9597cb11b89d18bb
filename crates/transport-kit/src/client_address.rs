//! The address of a client behind a proxy.

use std::net::{IpAddr, SocketAddr};

/// Returns the address of a client behind a proxy; `None` if the proxy does not report it.
///
/// This is the last address in `X-Forwarded-For` or `Forwarded` (RFC 7239), which the proxy
/// appended. Earlier addresses are claims of the client. If both headers are present and differ,
/// one of them comes from the client, and neither is used. If a header is repeated, pass its last
/// occurrence.
///
/// No crate does this: the available ones use the first address, which the client chooses.
///
/// ```
/// use merchant_otp_transport_kit::forwarded_address;
///
/// let client = forwarded_address(Some("203.0.113.9, 192.0.2.7"), None);
/// assert_eq!(client, Some("192.0.2.7".parse().unwrap()));
/// assert_eq!(forwarded_address(None, Some("for=unknown")), None);
/// ```
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

/// Parses the address of a node, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let address = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip()).ok();
    text.parse().ok().or_else(address).or_else(with_port)
}

/// Returns the `for` address in the last element of a `Forwarded` header.
///
/// Quoted strings may contain text of the client, such as its `Host`. Separators in them are
/// ignored.
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

/// Splits a text at separators outside of quotes; `None` if a quote is not closed.
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
        // The host is quoted, and chosen by the client.
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
        // If both headers are present, one may come from the client.
        let both = |one, other| address(Some(one), Some(other));
        assert_eq!(both("198.51.100.1", "for=198.51.100.1").as_deref(), Some("198.51.100.1"));
        assert_eq!(both("203.0.113.1", "for=198.51.100.1"), None);
        assert_eq!(both("198.51.100.1", "for=unknown"), None);
    }
}
