//! The address of a client behind a proxy.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// The header in which a proxy reports the address of its client.
///
/// Exactly one header counts. Others may come from the client, if the proxy forwards them.
///
/// ```
/// use merchant_otp_transport_kit::ProxyHeader;
///
/// let header: ProxyHeader = "x-forwarded-for".parse().unwrap();
/// let client = header.address("203.0.113.9, 192.0.2.7");
/// assert_eq!(client, Some("192.0.2.7".parse().unwrap()));
/// assert_eq!(ProxyHeader::Forwarded.address("for=unknown"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Real-IP`.
    XRealIp,
}

impl ProxyHeader {
    /// All headers.
    pub const ALL: [Self; 3] = [Self::XForwardedFor, Self::Forwarded, Self::XRealIp];

    /// The name of the header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
            Self::XRealIp => "X-Real-IP",
        }
    }

    /// Returns the address of the client in a value of the header, if it contains one.
    ///
    /// This is the last address, which the proxy appended. Earlier addresses are claims of the
    /// client. If a header is repeated, pass its last occurrence.
    ///
    /// No crate does this: the available ones use the first address, which the client chooses.
    #[must_use]
    pub fn address(self, value: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(value.rsplit(',').next().unwrap_or_default().trim()),
            Self::Forwarded => forwarded_node(value),
            Self::XRealIp => node(value.trim()),
        }
    }
}

impl FromStr for ProxyHeader {
    type Err = ProxyHeaderError;

    /// Parses the name of a header, in any case.
    fn from_str(text: &str) -> Result<Self, ProxyHeaderError> {
        let mut all = Self::ALL.into_iter();
        all.find(|header| header.name().eq_ignore_ascii_case(text)).ok_or(ProxyHeaderError)
    }
}

/// A text is not the name of a [`ProxyHeader`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be X-Forwarded-For, Forwarded or X-Real-IP")]
pub struct ProxyHeaderError;

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

    fn address(header: ProxyHeader, value: &str) -> Option<String> {
        header.address(value).map(|address| address.to_string())
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
            let client = address(ProxyHeader::XForwardedFor, list);
            assert_eq!(client.as_deref(), Some(expected), "{list}");
        }
        for list in ["", "unknown", "198.51.100.1, _hidden", "for=198.51.100.1"] {
            assert_eq!(address(ProxyHeader::XForwardedFor, list), None, "{list}");
        }
    }

    #[test]
    fn forwarded_names_the_client_too() {
        for value in [
            "for=198.51.100.1",
            "For=\"198.51.100.1:4711\";proto=https",
            "for=203.0.113.1, proto=https; for=198.51.100.1",
        ] {
            let client = address(ProxyHeader::Forwarded, value);
            assert_eq!(client.as_deref(), Some("198.51.100.1"), "{value}");
        }
        let ipv6 = address(ProxyHeader::Forwarded, "for=\"[2001:db8::1]:80\"");
        assert_eq!(ipv6.as_deref(), Some("2001:db8::1"));
        // The host is quoted, and chosen by the client.
        for host in ["x,for=203.0.113.1", "x;for=203.0.113.1", "x\\\",for=203.0.113.1"] {
            let value = format!("for=198.51.100.1;host=\"{host}\"");
            let client = address(ProxyHeader::Forwarded, &value);
            assert_eq!(client.as_deref(), Some("198.51.100.1"), "{value}");
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
            assert_eq!(address(ProxyHeader::Forwarded, value), None, "{value}");
        }
    }

    #[test]
    fn a_real_ip_is_one_address() {
        let client = |value| address(ProxyHeader::XRealIp, value);
        assert_eq!(client(" 198.51.100.1 ").as_deref(), Some("198.51.100.1"));
        assert_eq!(client("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(client("203.0.113.1, 198.51.100.1"), None);
    }

    #[test]
    fn headers_are_parsed_by_name_in_any_case() {
        for header in ProxyHeader::ALL {
            assert_eq!(header.name().to_lowercase().parse(), Ok(header));
        }
        assert_eq!("X-Client".parse::<ProxyHeader>(), Err(ProxyHeaderError));
    }
}
