use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;

const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED: &str = "Forwarded";

/// The address of the client of a request; `None` if it is not known.
///
/// Behind a proxy it is the last one of `X-Forwarded-For` or of `Forwarded` (RFC 7239), which the proxy put
/// there; those before it are what the client says. If the two are there and differ, one of them is the
/// client's. Without a proxy it is the other end of the connection, which a Unix socket does not know.
pub(crate) fn client_address(request: &HttpRequest, behind_proxy: bool) -> Option<IpAddr> {
    if !behind_proxy {
        return request.peer_addr().map(|address| address.ip());
    }
    let headers = request.headers();
    let last = |name| headers.get_all(name).next_back();
    let last = |name| last(name).map(|value| value.to_str().unwrap_or_default());
    let forwarded_for =
        last(FORWARDED_FOR).map(|list| node(list.rsplit(',').next().unwrap_or_default().trim()));
    let forwarded = last(FORWARDED).map(forwarded_node);
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
    use actix_web::test::TestRequest;

    use super::*;

    fn address(headers: &[&str], behind_proxy: bool) -> Option<String> {
        let request = TestRequest::default().peer_addr("192.0.2.7:1234".parse().unwrap());
        let request = headers
            .iter()
            .fold(request, |request, value| request.append_header((FORWARDED_FOR, *value)));
        client_address(&request.to_http_request(), behind_proxy).map(|address| address.to_string())
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        assert_eq!(address(&["203.0.113.1"], false).as_deref(), Some("192.0.2.7"));
        for headers in [
            &["198.51.100.1"][..],
            &["203.0.113.1, 198.51.100.1"],
            &["203.0.113.1", "198.51.100.1"],
            &["203.0.113.1,198.51.100.1:4711"],
        ] {
            assert_eq!(address(headers, true).as_deref(), Some("198.51.100.1"), "{headers:?}");
        }
        assert_eq!(address(&["[2001:db8::1]"], true).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(&["[2001:db8::1]:80"], true).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(&["2001:db8::1"], true).as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn what_a_proxy_does_not_tell_is_not_known() {
        for headers in [&[][..], &[""], &["unknown"], &["198.51.100.1, _hidden"]] {
            assert_eq!(address(headers, true), None, "{headers:?}");
        }
    }
    #[test]
    fn forwarded_tells_the_client_too() {
        let address = |headers: &[(&str, &str)]| {
            let request = headers
                .iter()
                .fold(TestRequest::default(), |request, header| request.append_header(*header));
            client_address(&request.to_http_request(), true).map(|address| address.to_string())
        };
        for value in [
            "for=198.51.100.1",
            "For=\"198.51.100.1:4711\";proto=https",
            "for=203.0.113.1, proto=https; for=198.51.100.1",
        ] {
            assert_eq!(address(&[(FORWARDED, value)]).as_deref(), Some("198.51.100.1"), "{value}");
        }
        let ipv6 = address(&[(FORWARDED, "for=\"[2001:db8::1]:80\"")]);
        assert_eq!(ipv6.as_deref(), Some("2001:db8::1"));
        // What the client called the host is quoted.
        for host in ["x,for=203.0.113.1", "x;for=203.0.113.1", "x\\\",for=203.0.113.1"] {
            let value = format!("for=198.51.100.1;host=\"{host}\"");
            assert_eq!(address(&[(FORWARDED, &value)]).as_deref(), Some("198.51.100.1"), "{value}");
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
            assert_eq!(address(&[(FORWARDED, value)]), None, "{value}");
        }
        // Both, of which one may be the client's.
        let both = |one, other| address(&[(FORWARDED_FOR, one), (FORWARDED, other)]);
        assert_eq!(both("198.51.100.1", "for=198.51.100.1").as_deref(), Some("198.51.100.1"));
        assert_eq!(both("203.0.113.1", "for=198.51.100.1"), None);
        assert_eq!(both("198.51.100.1", "for=unknown"), None);
    }
}
